"""PyTorch's side of DDColor's training, in float64: `ddcolor_losses`.

The tensors of the generator and of VGG-16 have the names of published files, those of
the discriminator the names that Flax gives them.
"""

import numpy as np
import torch
from golden.ddcolor_training import (
    VGG_CONVS,
    VGG_LAST,
    images,
    load_trained,
    summaries,
    trained_tensors,
    vgg_tensors,
)
from golden.torch_adversarial import Leaves, conv, each, largest_singular_value
from golden.torch_ddcolor import ddcolor
from torch.nn import functional

from colorjax.color import RGB_TO_XYZ, WHITE, XYZ_TO_RGB

Tensor = torch.Tensor
MEAN = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]
POOLED = (3, 10, 20, 30)  # places of the convolutions before a pooling layer
LEVELS = {0: 1 / 16, 7: 1 / 8, 14: 1 / 4, 24: 1 / 2, 34: 1}


def ddcolor_losses() -> dict[str, np.ndarray]:
    """Both losses; their gradients, of the generator as `summaries`."""
    rgb = torch.tensor(images()).double().permute(0, 3, 1, 2) / 255
    lab = to_lab(rgb)
    lightness, target = lab[:, :1], lab[:, 1:]
    counted = (target.abs().flatten(1).max(1).values > 5).double()
    luma = (rgb * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1, True)
    real = (luma + 1.2 * (rgb - luma)).clamp(0, 1)
    g = {k: torch.tensor(x).double() for k, x in trained_tensors().items()}
    trained = [k for k in g if k not in ("mean", "std") and "arch.norm." not in k]
    for key in trained:
        g[key].requires_grad_()
    grey = to_rgb(torch.cat([lightness, torch.zeros_like(target)], 1))
    ab = ddcolor(g, grey)
    fake = to_rgb(torch.cat([lightness, ab], 1))

    def mean(losses):
        return (counted * losses).sum() / len(counted)

    d = Leaves()
    bce = functional.binary_cross_entropy_with_logits
    on_real, on_fake = discriminator(d, real), discriminator(d, fake.detach())
    ones, zeros = torch.ones_like(on_real), torch.zeros_like(on_real)
    loss_d = mean(each(bce(on_real, ones, reduction="none")))
    loss_d = (loss_d + mean(each(bce(on_fake, zeros, reduction="none")))) / 2
    judged = discriminator(Leaves(), fake)
    loss_g = 0.1 * mean(each((ab - target).abs()))
    loss_g = loss_g + 5 * mean(feature_distance(fake, real))
    loss_g = loss_g + mean(each(bce(judged, ones, reduction="none")))
    loss_g = loss_g + 0.5 * 4 * mean(1 - colorfulness(fake))
    slopes = torch.autograd.grad(loss_g, [g[key] for key in trained])
    gradients = {k: x.numpy() for k, x in zip(trained, slopes, strict=True)}
    losses = {"D": loss_d.item(), "G": loss_g.item()}
    return losses | d.gradients(loss_d, "D") | summaries(load_trained(gradients))


def discriminator(leaves, x, base=4) -> Tensor:
    """A block of two convolutions after the first one, both of stride 2."""

    def layer(name, x, channels, size, stride, last=False):
        path = f"params/{name}"
        kernel = leaves.get(f"{path}/kernel", size, size, x.shape[1], channels)
        kernel = kernel / largest_singular_value(leaves, name, kernel)
        padding = 0 if last else (size - 1) // 2
        x = conv(leaves, path, x, channels, size, stride, padding, not last, kernel)
        return x if last else x.relu()

    x = layer("down0", x, base, 4, 2)
    x = layer("conv1", x, base, 3, 1)
    x = attention(leaves, layer("down1", x, 2 * base, 4, 2))
    x = layer("last", x, 2 * base, 3, 1)
    return layer("head", x, 1, 4, 1, last=True)


def attention(leaves, x) -> Tensor:
    def project(name, channels):
        path = f"params/attention/{name}"
        kernel = leaves.get(f"{path}/kernel", 1, x.shape[1], channels)
        sigma = largest_singular_value(leaves, name, kernel, "attention/")
        return torch.einsum("bcn,co->bon", x.flatten(2), kernel[0] / sigma)

    size = x.shape[1]
    query, keys = project("query", size // 8), project("key", size // 8)
    weights = (query.mT @ keys).softmax(1)
    gamma = leaves.get("params/attention/gamma", 1)
    return x + (gamma * (project("value", size) @ weights)).reshape(x.shape)


def feature_distance(fake, real) -> Tensor:
    """The weighted L1 distance of VGG-16's features, for each image."""
    tensors = {k: torch.tensor(x).double() for k, x in vgg_tensors().items()}

    def features(x):
        x = (x - MEAN) / STD
        for place in (*VGG_CONVS, VGG_LAST):
            weight, bias = (
                tensors[f"features.{place}.{p}"] for p in ("weight", "bias")
            )
            x = functional.conv2d(x, weight, bias, padding=1)
            if place in LEVELS:
                yield LEVELS[place], x
            if place == VGG_LAST:
                return
            parts = ("running_mean", "running_var", "weight", "bias")
            parts = (tensors[f"features.{place + 1}.{part}"] for part in parts)
            x = functional.batch_norm(x, *parts).relu()
            x = functional.max_pool2d(x, 2) if place in POOLED else x

    pairs = zip(features(fake), features(real), strict=True)
    return sum(weight * each((x - y).abs()) for (weight, x), (_, y) in pairs)


def colorfulness(rgb) -> Tensor:
    red, green, blue = (rgb[:, i].flatten(1) for i in range(3))
    differences = (red - green).abs(), ((red + green) / 2 - blue).abs()
    deviation = sum(x.std(1) ** 2 for x in differences).sqrt()
    return deviation + 0.3 * sum(x.mean(1) ** 2 for x in differences).sqrt()


def to_lab(rgb) -> Tensor:
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    t = channels(RGB_TO_XYZ, linear) / torch.tensor(WHITE)[:, None, None]
    line = (29 / 6) ** 2 / 3 * t + 4 / 29
    x, y, z = torch.where(t > (6 / 29) ** 3, t ** (1 / 3), line).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def to_rgb(lab) -> Tensor:
    y = (lab[:, 0] + 16) / 116
    f = torch.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], 1)
    t = torch.where(f > 6 / 29, f**3, (f - 4 / 29) / ((29 / 6) ** 2 / 3))
    linear = channels(XYZ_TO_RGB, t * torch.tensor(WHITE)[:, None, None])
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)


def channels(matrix, x) -> Tensor:
    return torch.einsum("oi,bihw->bohw", torch.tensor(matrix).double(), x)
