"""PyTorch's layers as variables of our nets, by a table of names: `load_layers`, and
`unwrapped` tensors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colorjax.pretrained.weights import Reader, Tensors

Keys = Sequence[tuple[str, str]]
PARTS = {  # of a layer; others have the same name in a file
    "kernel": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
SPLIT = (  # names of the projections of attention, where each has its own tensors
    ("q_proj", "k_proj", "v_proj", "out_proj"),  # Hugging Face's CLIP
    ("self.query", "self.key", "self.value", "output.dense"),  # and its BERT
)
SQUARES = {"shuffle": 2, "shuffle_norm": 2, "last": 4}  # sides, by the layer's name

HOLDERS = (
    "params.",
    "model.",
    "module.",
)  # some files have all tensors of a net under one name
OPTIMIZER = "opt."  # beside "model."


def unwrapped(tensors: Tensors) -> Tensors:
    """The tensors without the name that all of them begin with in some files.

    Those of an optimizer are left out.
    """
    tensors = {k: x for k, x in tensors.items() if not k.startswith(OPTIMIZER)}
    for holder in HOLDERS:
        if all(key.startswith(holder) for key in tensors):
            return {key.removeprefix(holder): x for key, x in tensors.items()}
    return tensors


def load_layers(
    reader: Reader, shapes: Mapping[str, Any], keys: Keys, path: str = ""
) -> dict[str, Any]:
    """The variables of a net, of one collection, that have these `shapes`.

    `keys` are pairs: a pattern of how the path of a variable of ours begins, and how
    its key in the file begins, where {} stands for the place in a stack. Raises
    `UserError`, naming the tensor, where one is missing, of another shape or not
    finite.
    """
    if "out" in shapes:
        return _load_attention(reader, _translate(path, keys), shapes)
    variables = {}
    for name, shape in shapes.items():
        if isinstance(shape, Mapping):
            variables[name] = load_layers(reader, shape, keys, f"{path}{name}/")
            continue
        key = _translate(f"{path}{PARTS.get(name, name)}", keys)
        size = shape.shape
        read = reader.kernel if name == "kernel" else reader.take
        if "{}" in key:  # of layers whose variables are stacked
            stack = [read(key.format(i), size[1:]) for i in range(size[0])]
            variables[name] = np.stack(stack)
        else:
            side = SQUARES.get(path.split("/")[-2] if path else "", 1)
            variables[name] = _by_pixel(read(key, size), side)
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
    """A layer of attention.

    The projections to queries, keys and values are one tensor, or have the names in
    `SPLIT`.
    """
    hidden = shapes["out"]["bias"].size
    names = ("query", "key", "value")
    for split in SPLIT:
        if any(f"{key}{name}.weight" in reader.left for name in split[:3]):
            return {
                name: {
                    "kernel": reader.kernel(f"{key}{theirs}.weight", (hidden, hidden)),
                    "bias": reader.take(f"{key}{theirs}.bias", (hidden,)),
                }
                for name, theirs in zip((*names, "out"), split, strict=True)
            }
    kernels = reader.take(f"{key}in_proj_weight", (3 * hidden, hidden))
    biases = reader.take(f"{key}in_proj_bias", (3 * hidden,))
    layers = {
        name: {"kernel": kernel.T, "bias": bias}
        for name, kernel, bias in zip(
            names, np.split(kernels, 3), np.split(biases, 3), strict=True
        )
    }
    out = reader.take(f"{key}out_proj.weight", (hidden, hidden))
    bias = reader.take(f"{key}out_proj.bias", (hidden,))
    return layers | {"out": {"kernel": out.T, "bias": bias}}


def _by_pixel(values: np.ndarray, side: int) -> np.ndarray:
    """The outputs of a pixel shuffle, ordered by pixel first instead of by channel."""
    channels = values.reshape(*values.shape[:-1], -1, side**2)
    return channels.swapaxes(-1, -2).reshape(values.shape)
