"""Which nets can be written as ONNX, and how: `NETWORKS`, `write`.

A net is a table, a row a layer, whose name is that of its variables in the run. To add
a net, write its table; a kind of layer that no net had yet is a function more.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from colorjax.apps.export.onnx_graph import Graph, mixed
from colorjax.errors import UserError
from colorjax.methods.regression import AB_UNIT
from colorjax.nets.vgg_dilated import BLOCKS, SCALE
from colorjax.quantize import ab_bins

Variables = dict[str, dict[str, np.ndarray]]  # by layer, then by name, of one net


class Layer(NamedTuple):
    """A row of a table: what the layer does, and whose variables it has."""

    kind: str
    name: str = ""
    stride: int = 1
    dilation: int = 1


def vgg_dilated() -> Iterator[Layer]:
    """The layers of `colorjax.nets.vgg_dilated`, of any width, affine or not."""
    for number, (_, depth, stride, dilation) in enumerate(BLOCKS, start=1):
        for i in range(1, depth + 1):
            yield Layer(
                "conv", f"conv{number}_{i}", stride if i == depth else 1, dilation
            )
            yield Layer("relu")
        yield Layer("norm", f"norm{number}")
    yield Layer("transposed", "conv8_1", 2)
    yield Layer("relu")
    for name in ("conv8_2", "conv8_3"):
        yield Layer("conv", name)
        yield Layer("relu")
    yield Layer("conv", "head")


def _conv(g: Graph, x: str, layer: Layer, has: dict[str, np.ndarray]) -> str:
    kernel = has["kernel"].transpose(3, 2, 0, 1)
    return g(
        "Conv",
        x,
        kernel,
        has["bias"],
        strides=[layer.stride] * 2,
        dilations=[layer.dilation] * 2,
        pads=[layer.dilation * (kernel.shape[-1] // 2)] * 4,
    )


def _transposed(g: Graph, x: str, layer: Layer, has: dict[str, np.ndarray]) -> str:
    kernel = has["kernel"].transpose(2, 3, 0, 1)
    return g(
        "ConvTranspose",
        x,
        kernel,
        has["bias"],
        strides=[layer.stride] * 2,
        pads=[(kernel.shape[-1] - layer.stride) // 2] * 4,
    )


def _norm(g: Graph, x: str, layer: Layer, has: dict[str, np.ndarray]) -> str:
    mean, variance = has["mean"], has["var"]
    scale = has.get("scale", np.ones_like(mean))
    bias = has.get("bias", np.zeros_like(mean))
    return g("BatchNormalization", x, scale, bias, mean, variance, epsilon=1e-5)


def _relu(g: Graph, x: str, layer: Layer, has: dict[str, np.ndarray]) -> str:
    return g("Relu", x)


KINDS = {"conv": _conv, "transposed": _transposed, "norm": _norm, "relu": _relu}


def _annealed_mean(g: Graph, logits: str, temperature: str) -> str:
    p = g("Softmax", g("Div", logits, temperature), axis=1)
    return mixed(g, p, ab_bins().T)


def _regressed(g: Graph, output: str, temperature: str) -> str:
    return g("Mul", output, AB_UNIT)


class Network(NamedTuple):
    """The layers from (L - 50) / 100 to an output at 1 / `scale` of the resolution, and
    what makes ab of that; `tempered` where that is by a temperature."""

    layers: Callable[[], Iterator[Layer]]
    scale: int
    ab: Callable[[Graph, str, str], str]
    tempered: bool


NETWORKS = {  # by the name of the method
    "zhang2016": Network(vgg_dilated, SCALE, _annealed_mean, True),
    "regression": Network(vgg_dilated, SCALE, _regressed, False),
}


def network(method: str, nets: dict[str, Any]) -> tuple[Network, Variables]:
    """The table of a method's net, and the variables of its layers.

    Raises `UserError` where there is no table, or where the run's net has other layers
    than the table.
    """
    found = NETWORKS.get(method)
    variables: Variables = {}
    for collection in nets.get("G", {}).values():
        for name, values in collection.items():
            variables.setdefault(name, {}).update(values)
    named = {layer.name for layer in found.layers() if layer.name} if found else None
    if named != set(variables) or len(nets) > 1:
        raise UserError(
            f"the net of this run, of the method {method}, cannot be written as ONNX, "
            f"only those of {', '.join(NETWORKS)}; --format stablehlo takes any"
        )
    return found, variables


def write(g: Graph, found: Network, variables: Variables, lightness: str) -> str:
    """The net's output for L, a plane whose sides are multiples of the stride."""
    x = g("Div", g("Sub", lightness, 50.0), 100.0)
    for layer in found.layers():
        x = KINDS[layer.kind](g, x, layer, variables.get(layer.name, {}))
    return x
