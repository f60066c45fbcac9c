"""Write the golden files that tests/methods/test_torch_parity.py compares with.

    PYTHONPATH=.:tests python tests/golden/make_torch.py [DIRECTORY]

PyTorch computes all of it in float64. The files hold float32 in Flax's layout. Renew
them only when the mathematics is meant to change.
"""

import pathlib
import sys

import numpy as np
import torch
from golden import (
    torch_adversarial,
    torch_ddcolor_losses,
    torch_diffusion,
    torch_siggraph17,
)
from golden.weights import examples, fill, variables
from torch.nn import functional

from benchmarks.torch_net import VGGDilated, leaves, load
from colorjax.quantize import ab_bins

Arrays = dict[str, np.ndarray]


def main(directory: pathlib.Path) -> None:
    made = (network, transposed_conv, zhang2016, regression, optimizers)
    made += (torch_adversarial.pix2pix, torch_adversarial.cyclegan)
    made += (torch_ddcolor_losses.ddcolor_losses, torch_diffusion.diffusion_unet)
    made += (torch_siggraph17.siggraph17,)
    for make in made:
        arrays = {key: np.asarray(value, "f4") for key, value in make().items()}
        np.savez_compressed(directory / f"{make.__name__}.npz", **arrays)


def network() -> Arrays:
    """Outputs with running statistics and with those of the batch."""
    net = tiny_net(outputs=8, width=1 / 32)
    lightness = fill("network", (2, 32, 40, 1), 0, 100)
    arrays = {"lightness": lightness}
    with torch.no_grad():
        for mode in ("eval", "train"):
            output = net.train(mode == "train")(channels_first(lightness))
            arrays[mode] = channels_last(output)
    return arrays


def transposed_conv() -> Arrays:
    """4x4, stride 2, padding 1; `gradient` is that of the output."""
    x = fill("x", (2, 5, 6, 3), -1, 1)
    kernel = fill("kernel", (4, 4, 3, 4), -1, 1)
    gradient = fill("gradient", (2, 10, 12, 4), -1, 1)
    x_in, kernel_in = channels_first(x), double(kernel).permute(2, 3, 0, 1)
    leaf_inputs = [x_in.requires_grad_(), kernel_in.requires_grad_()]
    y = functional.conv_transpose2d(*leaf_inputs, stride=2, padding=1)
    dx, dkernel = torch.autograd.grad(y, leaf_inputs, channels_first(gradient))
    return {
        "x": x,
        "kernel": kernel,
        "gradient": gradient,
        "y": channels_last(y),
        "dx": channels_last(dx),
        "dkernel": dkernel.permute(2, 3, 0, 1).numpy(),
    }


def zhang2016() -> Arrays:
    """Loss and gradients in the logits alone, and in the parameters of a tiny net."""
    pictures = examples()
    prior = fill("prior", (313,), 0, 1) ** 8  # some bins are a million times rarer
    prior[::40] = 0
    prior /= prior.sum()
    logits = double(fill("logits", (4, 6, 8, 313), -6, 6)).requires_grad_()
    loss = classification_loss(logits, pictures, prior)
    loss.backward()
    arrays = {"prior": prior, "logits_loss": loss.item(), "logits": logits.grad}

    net = tiny_net(outputs=313, width=1 / 32)
    output = net(channels_first(pictures["lightness"])).permute(0, 2, 3, 1)
    loss = classification_loss(output, pictures, prior)
    return arrays | {"loss": loss.item()} | gradients(net, loss)


def regression() -> Arrays:
    """Loss and gradients of the L2 loss in the parameters of a tiny net."""
    pictures = examples()
    net = tiny_net(outputs=2, width=1 / 64)
    output = net(channels_first(pictures["lightness"])).permute(0, 2, 3, 1)
    target = double(pictures["ab"])[:, ::4, ::4] / 50
    error = (output - target).square().sum(-1) / 2
    loss = (colorful_mask(pictures) * error).sum() / len(error)
    return {"loss": loss.item()} | gradients(net, loss)


def optimizers() -> Arrays:
    """Two parameters after each of five steps on given gradients."""
    shapes = {"kernel": (3, 4), "bias": (5,)}
    arrays = {}
    for name, shape in shapes.items():
        arrays[name] = fill(f"{name} at first", shape, -2, 2)
        arrays[f"{name}_gradients"] = fill(f"{name} gradients", (5, *shape), -1, 1) ** 3
    gan = dict(betas=(0.5, 0.999))
    decayed = dict(betas=(0.9, 0.99), weight_decay=1e-3)
    for name, optimizer, options in (
        ("adam", torch.optim.Adam, decayed),
        ("adamw", torch.optim.AdamW, decayed),
        ("adam_linear", torch.optim.Adam, gan),
    ):
        parameters = {key: double(arrays[key]).requires_grad_() for key in shapes}
        update = optimizer(parameters.values(), lr=0.01, eps=1e-8, **options)
        share = (
            (lambda s: min(1, (5 - s) / 3)) if name == "adam_linear" else lambda s: 1
        )
        rate = torch.optim.lr_scheduler.LambdaLR(update, share)
        steps = {key: [] for key in shapes}
        for step in range(5):
            for key, parameter in parameters.items():
                parameter.grad = double(arrays[f"{key}_gradients"][step])
            update.step()
            rate.step()
            for key, parameter in parameters.items():
                steps[key].append(parameter.detach().clone().numpy())
        arrays |= {f"{name}_{key}": np.stack(values) for key, values in steps.items()}
    return arrays


def classification_loss(logits, pictures, prior) -> torch.Tensor:
    """Equations 2 to 4 of the paper with dense targets, 5 neighbors, lambda 1/2."""
    ab, prior = double(pictures["ab"])[:, ::4, ::4], double(prior)
    distance = (ab[..., None, :] - double(ab_bins())).square().sum(-1)
    near = distance.sort(dim=-1, stable=True).indices[..., :5]
    code = torch.zeros_like(distance)
    code.scatter_(-1, near, torch.exp(-distance.gather(-1, near) / (2 * 5**2)))
    code /= code.sum(-1, keepdim=True)
    entropy = -(code * logits.log_softmax(-1)).sum(-1)
    weight = 1 / (0.5 * prior + 0.5 / 313)
    weight /= (prior * weight).sum()
    return (colorful_mask(pictures) * weight[near[..., 0]] * entropy).sum() / len(
        entropy
    )


def colorful_mask(pictures) -> torch.Tensor:
    """[b 1 1]: whether a picture counts."""
    some = (double(pictures["ab"]).abs() > 5).any(-1).any(-1).any(-1)
    return (some * double(pictures["mask"]))[:, None, None]


def tiny_net(outputs: int, width: float) -> VGGDilated:
    net = VGGDilated(outputs, width).double()
    shapes = {path: tensor.permute(axes).shape for path, tensor, axes in leaves(net)}
    load(net, variables(shapes))
    return net


def gradients(net: VGGDilated, loss: torch.Tensor) -> Arrays:
    loss.backward()
    return {
        path: tensor.grad.permute(axes).numpy()
        for path, tensor, axes in leaves(net)
        if path.startswith("params/")
    }


def double(array) -> torch.Tensor:
    return torch.as_tensor(array).double()


def channels_first(array) -> torch.Tensor:
    return double(array).permute(0, 3, 1, 2)


def channels_last(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here)
