"""PyTorch's side of pix2pix and CycleGAN, in float64: `pix2pix`, `cyclegan`.

Nets are functions of an image and of leaves. A leaf is created at its first use, under
the name that Flax gives it. `make_torch.py` writes the results.
"""

import numpy as np
import torch
from golden.weights import examples, fill, variables
from torch.nn import functional

Tensor = torch.Tensor
OPTIONS = {  # of pix2pix's goldens, as the test gives them to the method
    "paper": {},
    "hinge": dict(gan_loss="hinge", norm="batch", r1=2.0),
    "spectral": dict(gan_loss="lsgan", spectral=True),
}


class Leaves(dict):
    """Parameters, and vectors of spectral normalization, by their Flax paths."""

    def get(self, path: str, *shape: int) -> Tensor:
        if path not in self:
            value = torch.as_tensor(variables({path: shape})[path]).double()
            self[path] = value.requires_grad_(path.startswith("params/"))
        return self[path]

    def gradients(self, loss: Tensor, prefix: str) -> dict[str, np.ndarray]:
        trained = {path: x for path, x in self.items() if path.startswith("params/")}
        slopes = torch.autograd.grad(loss, list(trained.values()), retain_graph=True)
        return {
            f"{prefix}/{path}": slope.numpy()
            for path, slope in zip(trained, slopes, strict=True)
        }


def conv(leaves, name, x, channels, size, stride=1, padding=0, bias=True, kernel=None):
    if kernel is None:
        kernel = leaves.get(f"{name}/kernel", size, size, x.shape[1], channels)
    offset = leaves.get(f"{name}/bias", channels) if bias else None
    return functional.conv2d(
        x, kernel.permute(3, 2, 0, 1).contiguous(), offset, stride, padding
    )


def deconv(leaves, name, x, channels, size, bias=True):
    kernel = leaves.get(f"{name}/kernel", size, size, x.shape[1], channels)
    offset = leaves.get(f"{name}/bias", channels) if bias else None
    return functional.conv_transpose2d(
        x,
        kernel.permute(2, 3, 0, 1).contiguous(),
        offset,
        2,
        1,
        output_padding=4 - size,
    )


def norm(leaves, kind, name, x):
    if kind == "instance":
        return functional.instance_norm(x, eps=1e-5)
    scale, bias = (leaves.get(f"{name}/{key}", x.shape[1]) for key in ("scale", "bias"))
    return functional.batch_norm(x, None, None, scale, bias, training=True, eps=1e-5)


def unet(leaves, x, kind, depth=3, base=4) -> Tensor:
    """Encoder, then decoder; inner layers are normed, the innermost one is not."""

    def inside(x, level):
        """What the layers from `level` on make of x, at the size of x."""
        last = level == depth
        plain = level == 1 or last
        width = base * 2 ** (level - 1)
        x = x if level == 1 else functional.leaky_relu(x, 0.2)
        down = conv(leaves, f"params/down{level}", x, width, 4, 2, 1, bias=plain)
        if not plain:
            down = norm(leaves, kind, f"params/down_norm{level}", down)
        both = down if last else torch.cat([down, inside(down, level + 1)], 1)
        outputs = 2 if level == 1 else width // 2
        up = deconv(
            leaves, f"params/up{level}", both.relu(), outputs, 4, bias=level == 1
        )
        return up if level == 1 else norm(leaves, kind, f"params/up_norm{level}", up)

    return inside(x, 1).tanh()


def patchgan(leaves, x, kind, spectral=False, base=4) -> Tensor:
    """Two strided layers, two others; logits of patches."""

    def layer(name, x, channels, stride, bias):
        path = f"params/{name}"
        if not spectral:
            return conv(leaves, path, x, channels, 4, stride, 1, bias)
        kernel = leaves.get(f"{path}/kernel", 4, 4, x.shape[1], channels)
        kernel = kernel / largest_singular_value(leaves, name, kernel)
        return conv(leaves, path, x, channels, 4, stride, 1, True, kernel)

    for number, (channels, stride) in enumerate(
        ((base, 2), (2 * base, 2), (4 * base, 1)), start=1
    ):
        plain = number == 1 or spectral
        x = layer(f"conv{number}", x, channels, stride, plain)
        if not plain:
            x = norm(leaves, kind, f"params/norm{number}", x)
        x = functional.leaky_relu(x, 0.2)
    return layer("head", x, 1, 1, True)


def largest_singular_value(leaves, name, kernel, inside="") -> Tensor:
    """By one step of power iteration, whose vector is kept.

    `inside` is the path of the module that the layer is in.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    path = f"batch_stats/{inside}{name}_sn/{name}/kernel/u"
    u = leaves.get(path, 1, matrix.shape[1])
    with torch.no_grad():
        v = functional.normalize(u @ matrix.T, dim=1)
        u = functional.normalize(v @ matrix, dim=1)
    leaves[path] = u
    return (v @ matrix @ u.T)[0, 0]


def resnet(leaves, x, direction, blocks=1, base=4) -> Tensor:
    def layer(name, x, channels, size, stride=1, pad=0, outer=0):
        x = functional.pad(x, (outer,) * 4, mode="reflect") if outer else x
        path = f"params/{direction}/{name}"
        y = conv(leaves, path, x, channels, size, stride, pad, bias=name == "last")
        return y if name == "last" else functional.instance_norm(y, eps=1e-5)

    x = layer("first", x, base, 7, outer=3).relu()
    x = layer("down1", x, 2 * base, 3, 2, 1).relu()
    x = layer("down2", x, 4 * base, 3, 2, 1).relu()
    for number in range(1, blocks + 1):
        y = layer(f"block{number}_1", x, 4 * base, 3, outer=1).relu()
        x = x + layer(f"block{number}_2", y, 4 * base, 3, outer=1)
    for name, channels in (("up2", 2 * base), ("up1", base)):
        y = deconv(leaves, f"params/{direction}/{name}", x, channels, 3, bias=False)
        x = functional.instance_norm(y, eps=1e-5).relu()
    if direction == "to_colour":
        return layer("last", x, 3, 7, outer=3).tanh()
    grey = layer("last", x, 1, 7, outer=3).tanh()
    return torch.cat([grey, torch.zeros_like(grey).repeat(1, 2, 1, 1)], 1)


def each(x: Tensor) -> Tensor:
    """The mean over a picture."""
    return x.flatten(1).mean(1)


CRITERIA = {  # loss of a patch taken for real, and for generated, and the generator's
    "vanilla": (
        lambda d: functional.binary_cross_entropy_with_logits(
            d, torch.ones_like(d), reduction="none"
        ),
        lambda d: functional.binary_cross_entropy_with_logits(
            d, torch.zeros_like(d), reduction="none"
        ),
        lambda d: functional.binary_cross_entropy_with_logits(
            d, torch.ones_like(d), reduction="none"
        ),
    ),
    "lsgan": (lambda d: (d - 1) ** 2, lambda d: d**2, lambda d: (d - 1) ** 2),
    "hinge": (lambda d: (1 - d).relu(), lambda d: (1 + d).relu(), lambda d: -d),
}


def pix2pix() -> dict[str, np.ndarray]:
    """Both losses and their gradients, one step's, for each of `OPTIONS`."""
    arrays = {}
    for name, options in OPTIONS.items():
        found = pix2pix_step(**options)
        arrays |= {f"{name}/{key}": value for key, value in found.items()}
    return arrays


def pix2pix_step(gan_loss="vanilla", norm="instance", spectral=False, r1=0.0):
    pictures = {key: torch.as_tensor(x).double() for key, x in examples().items()}
    lightness = pictures["lightness"].permute(0, 3, 1, 2) / 50 - 1
    ab = pictures["ab"].permute(0, 3, 1, 2) / 110
    counted = pictures["mask"] * (pictures["ab"].abs().flatten(1).max(1).values > 5)
    on_real, on_fake, for_generator = CRITERIA[gan_loss]

    def mean(losses):
        return (counted * losses).sum() / len(counted)

    g, d = Leaves(), Leaves()
    made = unet(g, lightness, norm)
    real = torch.cat([lightness, ab], 1).requires_grad_(bool(r1))
    fake = torch.cat([lightness, made], 1)
    of_real = patchgan(d, real, norm, spectral)
    loss_d = (
        mean(each(on_real(of_real)))
        + mean(each(on_fake(patchgan(d, fake.detach(), norm, spectral))))
    ) / 2
    if r1:
        slopes = torch.autograd.grad(each(of_real).sum(), real, create_graph=True)[0]
        loss_d = loss_d + r1 / 2 * mean(slopes.square().flatten(1).sum(1))
    d_again = Leaves()  # as it was before the vectors of its power iteration moved
    judged = patchgan(d_again, fake, norm, spectral)
    loss_g = mean(each(for_generator(judged))) + 100 * mean(each((made - ab).abs()))
    return {
        "D": loss_d.item(),
        **d.gradients(loss_d, "D"),
        "G": loss_g.item(),
        **g.gradients(loss_g, "G"),
    }


def cyclegan() -> dict[str, np.ndarray]:
    """The three losses and their gradients, of a first step, whose pools are empty."""
    pictures = {key: torch.as_tensor(x).double() for key, x in examples().items()}
    other = torch.as_tensor(fill("other", (4, 24, 32, 1), 0, 100)).double()
    color = torch.cat([pictures["lightness"] / 50 - 1, pictures["ab"] / 110], -1)
    grey = torch.cat([other / 50 - 1, torch.zeros(4, 24, 32, 2).double()], -1)
    color, grey = color.permute(0, 3, 1, 2), grey.permute(0, 3, 1, 2)
    seen = pictures["ab"].abs().flatten(1).max(1).values > 5
    counted = {
        "colour": pictures["mask"] * seen,
        "grey": torch.tensor([1, 0, 1, 1]).double(),
    }
    real = {"colour": color, "grey": grey}

    def mean(losses, of):
        return (counted[of] * each(losses)).sum() / 4

    g = Leaves()
    critics = {"colour": Leaves(), "grey": Leaves()}
    arrays, loss_g = {}, 0.0
    for name, source in (("colour", "grey"), ("grey", "colour")):
        d = critics[name]
        fake = resnet(g, real[source], f"to_{name}")
        loss_d = (
            mean((patchgan(d, real[name], "instance") - 1) ** 2, name)
            + mean(patchgan(d, fake.detach(), "instance") ** 2, source)
        ) / 2
        arrays[f"D_{name}"] = loss_d.item()
        arrays |= d.gradients(loss_d, f"D_{name}")
        back = resnet(g, fake, f"to_{source}")
        same = resnet(g, real[name], f"to_{name}")
        loss_g = (
            loss_g
            + mean((patchgan(d, fake, "instance") - 1) ** 2, source)
            + 10 * mean((back - real[source]).abs(), source)
            + 5 * mean((same - real[name]).abs(), name)
        )
    return {**arrays, "G": loss_g.item(), **g.gradients(loss_g, "G")}
