"""VGG-16 with published weights: `load_classifier`, for colorized images, and
`load_features`, for the perceptual loss."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.errors import UserError
from colorjax.nets.vgg16 import BLOCKS, VGG16, VGG16Features
from colorjax.pretrained.lpips_weights import read_weights, weights_file
from colorjax.pretrained.weights import Reader, Weights, read


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
    net = VGG16(layout.classes, layout.hidden, layout.norm, layout.dense_norm)
    image = jax.ShapeDtypeStruct((1, layout.side, layout.side, 3), jnp.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)["params"]
    reader, keys = Reader(weights, layout.name), _keys(layout)
    params, statistics = {}, {}
    for name, shape in shapes.items():
        key = keys[name]
        if "norm" in name:
            size = shape["scale"].size
            params[name], statistics[name] = reader.norm(key, size)
            continue
        if "conv" in name:
            kernel = reader.kernel(f"{key}.weight", shape["kernel"].shape)
        else:  # dense; files have [outputs inputs]
            kernel = reader.take(f"{key}.weight", shape["kernel"].shape[::-1]).T
        bias = reader.take(f"{key}.bias", shape["bias"].shape)
        params[name] = {"kernel": kernel, "bias": bias}
    reader.finish()
    variables = {"params": params, "batch_stats": statistics}
    return Classifier(net, variables, layout)


def load_features(file: str, user: str) -> dict[str, Any]:
    """The variables of `VGG16Features`, from torchvision's file of VGG-16 for ImageNet,
    with or without BatchNorm.

    Without a `file` they are those of the extra `lpips`, which `user` needs then.
    Raises `UserError` where there is none, or a tensor of it does not fit.
    """
    if not file:
        layers = read_weights(weights_file("vgg16", user))[0]["VGG16_0"]
        return {"params": {f"conv{i + 1}": layers[f"Conv_{i}"] for i in range(11)}}
    weights = read(file)
    norm = "features.1.running_mean" in weights.tensors
    reader = Reader(weights, "VGG-16")
    width = reader.shape("features.0.weight")[0] / BLOCKS[0][0]
    net, keys = VGG16Features(norm, width), _keys(LAYOUTS[int(norm)])
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)["params"]
    params, statistics = {}, {}
    for name, shape in shapes.items():
        if "norm" in name:
            params[name], statistics[name] = reader.norm(keys[name], shape["bias"].size)
        else:
            kernel = reader.kernel(f"{keys[name]}.weight", shape["kernel"].shape)
            bias = reader.take(f"{keys[name]}.bias", shape["bias"].shape)
            params[name] = {"kernel": kernel, "bias": bias}
    return {"params": params} | ({"batch_stats": statistics} if norm else {})


def _keys(layout: Layout) -> dict[str, str]:
    """The keys of the layers of `VGG16` in a file, by name."""
    keys = {}
    for number, place in enumerate(layout.convs, start=1):
        keys[f"conv{number}"] = f"features.{place}"
        keys[f"norm{number}"] = f"features.{place + 1}"
    for number, place in enumerate(layout.dense, start=1):
        keys[f"dense{number}"] = f"classifier.{place}"
        keys[f"dense_norm{number}"] = f"classifier.{place + 1}"
    keys["head"] = f"classifier.{layout.dense[-1]}"
    return keys


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
