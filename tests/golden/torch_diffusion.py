"""PyTorch's side of the diffusion U-Net, in float64: `diffusion_unet`.

`make_torch.py` writes the results. Leaves are those of `torch_adversarial.py`.
"""

import math

import numpy as np
import torch
from golden.torch_adversarial import Leaves, Tensor, conv
from golden.weights import fill
from torch.nn import functional

HEAD = 4  # channels of an attention head
GROUPS = 4  # of channels that are normalized together
BASE, MULTIPLIERS = 8, (1, 2)


def diffusion_unet() -> dict[str, np.ndarray]:
    """The output, and the gradients of its product with a fixed array."""
    leaves = Leaves()
    x = fill("diffusion image", (2, 8, 12, 4), -2, 2)
    log_sigma = np.array([-1.5, 2.0], "f4")
    weights = fill("diffusion weights", (2, 8, 12, 3), -1, 1)
    output = net(
        leaves,
        torch.as_tensor(x).double().permute(0, 3, 1, 2),
        torch.as_tensor(log_sigma).double(),
    ).permute(0, 2, 3, 1)
    loss = (output * torch.as_tensor(weights).double()).sum()
    arrays = {"x": x, "log_sigma": log_sigma, "weights": weights}
    arrays["output"] = output.detach().numpy()
    return arrays | leaves.gradients(loss, "gradient")


def net(leaves: Leaves, x: Tensor, log_sigma: Tensor) -> Tensor:
    """A level has one block on the way down, two up. The coarse level attends."""
    level = noise_level(leaves, log_sigma, 4 * BASE)

    def block(name, x, channels, change=None):
        return residual(leaves, f"params/{name}", x, level, channels, change)

    def attend(name, x):
        return attention(leaves, f"params/{name}_attention", x)

    fine, coarse = (BASE * multiplier for multiplier in MULTIPLIERS)
    first = conv(leaves, "params/first", x, fine, 3, padding=1)
    down0 = block("down0_0", first, fine)
    half = block("down0_half", down0, fine, lambda x: functional.avg_pool2d(x, 2))
    down1 = attend("down1_0", block("down1_0", half, coarse))
    x = block("middle1", attend("middle0", block("middle0", down1, coarse)), coarse)
    for number, skip in enumerate((down1, half)):
        name = f"up1_{number}"
        x = attend(name, block(name, torch.cat([x, skip], 1), coarse))
    x = block(
        "up1_double", x, coarse, lambda x: functional.interpolate(x, scale_factor=2)
    )
    for number, skip in enumerate((down0, first)):
        x = block(f"up0_{number}", torch.cat([x, skip], 1), fine)
    x = functional.silu(group_norm(leaves, "params/norm", x))
    return conv(leaves, "params/last", x, 3, 3, padding=1)


def dense(leaves, name, x, channels):
    kernel = leaves.get(f"{name}/kernel", x.shape[-1], channels)
    return x @ kernel + leaves.get(f"{name}/bias", channels)


def noise_level(leaves, log_sigma, features):
    steps = torch.arange(64).double() / 63
    angles = log_sigma[:, None] * 0.1 * 100**steps
    x = torch.cat([angles.cos(), angles.sin()], 1)
    x = functional.silu(dense(leaves, "params/level/first", x, features))
    return dense(leaves, "params/level/second", x, features)


def group_norm(leaves, name, x):
    scale, bias = (leaves.get(f"{name}/{key}", x.shape[1]) for key in ("scale", "bias"))
    return functional.group_norm(x, math.gcd(GROUPS, x.shape[1]), scale, bias, eps=1e-5)


def residual(leaves, name, x, level, channels, change):
    y = functional.silu(group_norm(leaves, f"{name}/norm1", x))
    if change:
        x, y = change(x), change(y)
    y = conv(leaves, f"{name}/conv1", y, channels, 3, padding=1)
    y = group_norm(leaves, f"{name}/norm2", y)
    both = dense(leaves, f"{name}/level", functional.silu(level), 2 * channels)
    scale, shift = both[:, :, None, None].chunk(2, 1)
    y = functional.silu(y * (1 + scale) + shift)
    y = conv(leaves, f"{name}/conv2", y, channels, 3, padding=1)
    if x.shape[1] != channels:
        x = conv(leaves, f"{name}/skip", x, channels, 1)
    return x + y


def attention(leaves, name, x):
    batch, channels = x.shape[:2]
    y = group_norm(leaves, f"{name}/norm", x).flatten(2).transpose(1, 2)
    y = dense(leaves, f"{name}/qkv", y, 3 * channels)
    query, key, value = (
        z.reshape(batch, -1, channels // HEAD, HEAD).transpose(1, 2)
        for z in y.chunk(3, -1)
    )
    weights = (query @ key.transpose(-1, -2) / HEAD**0.5).softmax(-1)
    y = (weights @ value).transpose(1, 2).reshape(batch, -1, channels)
    y = dense(leaves, f"{name}/out", y, channels)
    return x + y.transpose(1, 2).reshape(x.shape)
