"""Images, tensors and gradients of DDColor's golden training step, without PyTorch."""

from typing import Any

import flax.traverse_util
import jax
import numpy as np
from golden.ddcolor_tensors import LAYERS, QUERIES, WIDTH, ddcolor_tensors
from golden.published import values
from golden.weights import fill

from colorjax.nets.ddcolor import DDColor
from colorjax.pretrained.ddcolor import KEYS
from colorjax.pretrained.torch_layers import load_layers
from colorjax.pretrained.weights import Reader, Weights

# Places of VGG-16's convolutions, a sixteenth as wide, and their outputs.
VGG_CONVS = {0: 4, 3: 4, 7: 8, 10: 8, 14: 16, 17: 16, 20: 16, 24: 32, 27: 32, 30: 32}
VGG_LAST = 34  # place of the last convolution that the loss needs
BATCH = (4, 32, 32, 3)


def images() -> np.ndarray:
    """Four images in sRGB, uint8, of which one is grey."""
    pixels = fill("DDColor's images", BATCH, 0, 256).astype(np.uint8)
    pixels[2] = pixels[2, ..., :1]
    return pixels


def vgg_tensors() -> dict[str, np.ndarray]:
    """Those of torchvision's VGG-16 with BatchNorm up to conv5_1, narrow."""
    shapes, before = {}, 3
    for place, size in (*VGG_CONVS.items(), (VGG_LAST, 32)):
        shapes[f"features.{place}.weight"] = (size, before, 3, 3)
        shapes[f"features.{place}.bias"] = (size,)
        for part in ("weight", "bias", "running_mean", "running_var"):
            if place != VGG_LAST:
                shapes[f"features.{place + 1}.{part}"] = (size,)
        before = size
    return {key: values(key, shape) for key, shape in shapes.items()}


def trained_tensors() -> dict[str, np.ndarray]:
    """Those of the generator, the kernels as they are applied, without statistics."""
    tensors = {k: x for k, x in ddcolor_tensors().items() if "running" not in k}
    for key in [k for k in tensors if k.endswith("weight_orig")]:
        layer = key.removesuffix("_orig")
        kernel, u, v = (tensors.pop(f"{layer}_{part}") for part in ("orig", "u", "v"))
        matrix = kernel.reshape(len(kernel), -1).astype(np.float64)
        tensors[layer] = (kernel / (u @ matrix @ v)).astype(np.float32)
    return tensors


def load_trained(tensors) -> dict[str, Any]:
    """Such tensors, or their gradients, as the parameters of our net."""
    net = DDColor("tiny", WIDTH, QUERIES, LAYERS)
    lightness = jax.ShapeDtypeStruct((1, 32, 32, 1), np.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), lightness)["params"]
    return load_layers(Reader(Weights("", tensors, ""), "DDColor"), shapes, KEYS)


def summaries(gradients) -> dict[str, np.ndarray]:
    """Of each leaf of the generator's gradient: its norm, and its product with a seeded
    vector of norm 1."""
    flat = flax.traverse_util.flatten_dict(gradients, sep="/")
    found = {}
    for path, gradient in flat.items():
        direction = fill(path, gradient.shape, -1, 1).astype(np.float64)
        direction /= np.linalg.norm(direction)
        product = (np.asarray(gradient) * direction).sum()
        found[f"G/{path}"] = np.array([np.linalg.norm(gradient), product])
    return found
