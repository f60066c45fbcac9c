"""PyTorch's layers as variables of our nets, by a table of names: `load_layers`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colorjax.pretrained.weights import Reader

Keys = Sequence[tuple[str, str]]
PARTS = {  # of a layer; others have the same name in a file
    "kernel": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
SQUARES = {"shuffle": 2, "shuffle_norm": 2, "last": 4}  # sides, by the layer's name


def load_layers(
    reader: Reader, shapes: Mapping[str, Any], keys: Keys, path: str = ""
) -> dict[str, Any]:
    """The variables of a net, of one collection, that have these `shapes`.

    `keys` are pairs: a pattern of how the path of a variable of ours begins, and how
    its key in the file begins. Raises `UserError`, naming the tensor, where one is
    missing, of another shape or not finite.
    """
    if "out" in shapes:
        return _load_attention(reader, _translate(path, keys), shapes)
    variables = {}
    for name, shape in shapes.items():
        if isinstance(shape, Mapping):
            variables[name] = load_layers(reader, shape, keys, f"{path}{name}/")
            continue
        key = _translate(f"{path}{PARTS.get(name, name)}", keys)
        if name == "kernel" and len(shape.shape) == 2:
            values = reader.weight(key, shape.shape[::-1]).T
        elif name == "kernel":
            values = reader.kernel(key, shape.shape)
        else:
            values = reader.take(key, shape.shape)
        side = SQUARES.get(path.split("/")[-2] if path else "", 1)
        variables[name] = _by_pixel(values, side)
    return variables


def _translate(path: str, keys: Keys) -> str:
    """The key in the file of a variable, or of a layer whose path ends in a slash."""
    for ours, theirs in keys:
        if match := re.match(ours, path):
            return match.expand(theirs) + path[match.end() :]
    raise ValueError(f"{path}: has no name in the file")


def _load_attention(
    reader: Reader, key: str, shapes: Mapping[str, Any]
) -> dict[str, Any]:
    """A layer of attention, whose projections of queries, keys and values are one
    tensor in the file."""
    hidden, heads, size = shapes["query"]["kernel"].shape
    kernels = reader.take(f"{key}in_proj_weight", (3 * hidden, hidden))
    kernels = kernels.reshape(3, heads, size, hidden).transpose(0, 3, 1, 2)
    biases = reader.take(f"{key}in_proj_bias", (3 * hidden,)).reshape(3, heads, size)
    out = reader.take(f"{key}out_proj.weight", (hidden, hidden))
    bias = reader.take(f"{key}out_proj.bias", (hidden,))
    return {
        name: {"kernel": kernel, "bias": bias}
        for name, kernel, bias in (
            *zip(("query", "key", "value"), kernels, biases, strict=True),
            ("out", out.T.reshape(heads, size, hidden), bias),
        )
    }


def _by_pixel(values: np.ndarray, side: int) -> np.ndarray:
    """The outputs of a pixel shuffle, ordered by pixel first instead of by channel."""
    channels = values.reshape(*values.shape[:-1], -1, side**2)
    return channels.swapaxes(-1, -2).reshape(values.shape)
