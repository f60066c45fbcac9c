"""VGG-16 with published weights, which classifies colorized images:
`load_classifier`."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.errors import UserError
from colorjax.nets.vgg16 import BLOCKS, VGG16
from colorjax.pretrained.weights import Reader, Weights


class Layout(NamedTuple):
    """Where a published form of VGG-16 has its layers, and which input it expects.

    `convs` and `dense` are places in its "features" and "classifier". The BatchNorm of
    a layer has the place behind it. Images are squares of `side` pixels. RGB in [0, 1]
    is normalized by `mean` and `std`.
    """

    name: str
    convs: tuple[int, ...]
    norm: bool
    dense: tuple[int, ...]
    dense_norm: bool
    hidden: tuple[int, ...]
    classes: int
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET: dict[str, Any] = dict(
    dense=(0, 3, 6),
    dense_norm=False,
    hidden=(4096, 4096),
    classes=1000,
    side=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
LAYOUTS = (
    Layout(
        name="torchvision's VGG-16 for ImageNet",
        convs=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        norm=False,
        **IMAGENET,
    ),
    Layout(
        name="torchvision's VGG-16 with BatchNorm for ImageNet",
        convs=(0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40),
        norm=True,
        **IMAGENET,
    ),
    Layout(
        name="the VGG-16 for CIFAR-10 of the package torch-optim",
        convs=(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48),
        norm=True,
        dense=(1, 5),
        dense_norm=True,
        hidden=(512,),
        classes=10,
        side=32,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    ),
)


class Classifier(NamedTuple):
    """A net, its variables, and the layout of their file."""

    net: nn.Module
    variables: dict
    layout: Layout

    def logits(
        self, variables: dict, rgb: Float[Array, "b h w 3"]
    ) -> Float[Array, "b classes"]:
        """The logits of the center squares of images, RGB in [0, 1]."""
        side = self.layout.side
        top, left = ((n - side) // 2 for n in rgb.shape[1:3])
        rgb = rgb[:, top : top + side, left : left + side]
        mean, std = jnp.array(self.layout.mean), jnp.array(self.layout.std)
        logits: Any = self.net.apply(variables, (rgb - mean) / std)
        return logits


def load_classifier(weights: Weights) -> Classifier:
    """VGG-16 from a file in one of the `LAYOUTS`.

    Raises `UserError`, naming the tensor, where the file is of another net.
    """
    layout = _layout(weights)
    reader = Reader(weights, layout.name)
    params, statistics = {}, {}

    def take(name, key, shape):
        kernel = reader.take(f"{key}.weight", shape)
        order = (2, 3, 1, 0) if len(shape) == 4 else (1, 0)
        bias = reader.take(f"{key}.bias", shape[:1])
        params[name] = {"kernel": kernel.transpose(order), "bias": bias}

    def take_norm(name, key, size):
        scale, bias, mean, var = (
            reader.take(f"{key}.{x}", (size,))
            for x in ("weight", "bias", "running_mean", "running_var")
        )
        params[name] = {"scale": scale, "bias": bias}
        statistics[name] = {"mean": mean, "var": var}

    channels = [size for size, depth in BLOCKS for _ in range(depth)]
    before = 3
    for number, (place, size) in enumerate(
        zip(layout.convs, channels, strict=True), start=1
    ):
        take(f"conv{number}", f"features.{place}", (size, before, 3, 3))
        if layout.norm:
            take_norm(f"norm{number}", f"features.{place + 1}", size)
        before = size
    before *= (layout.side // 2 ** len(BLOCKS)) ** 2
    *places, last = layout.dense
    for number, (place, size) in enumerate(
        zip(places, layout.hidden, strict=True), start=1
    ):
        take(f"dense{number}", f"classifier.{place}", (size, before))
        if layout.dense_norm:
            take_norm(f"dense_norm{number}", f"classifier.{place + 1}", size)
        before = size
    take("head", f"classifier.{last}", (layout.classes, before))
    reader.finish()
    net = VGG16(layout.classes, layout.hidden, layout.norm, layout.dense_norm)
    variables = {"params": params}
    if statistics:
        variables["batch_stats"] = statistics
    return Classifier(net, variables, layout)


def _layout(weights: Weights) -> Layout:
    """The layout whose layers are those of the file."""

    def misplaced(layout: Layout) -> int:
        expected = {f"features.{place}.weight" for place in layout.convs}
        expected |= {f"classifier.{place}.weight" for place in layout.dense}
        present = {
            key
            for key, x in weights.tensors.items()
            if key.endswith(".weight") and np.ndim(x) > 1
        }
        return len(expected ^ present)

    layout = min(LAYOUTS, key=misplaced)
    if misplaced(layout):
        known = "; ".join(layout.name for layout in LAYOUTS)
        first = ", ".join(f"'{key}'" for key in list(weights.tensors)[:3])
        raise UserError(
            f"{weights.path}: not a known classifier. Known are: {known}. "
            f"The first tensors of the file are {first}"
        )
    return layout
