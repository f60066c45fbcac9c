"""The networks that can be written as ONNX.

A network is a table with a row per layer; the name of a row is the name of the layer's
variables in the run. A new network needs a table, and a function for each new kind of
layer.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from colorjax.apps.export.onnx_graph import Graph, mix_channels
from colorjax.errors import UserError
from colorjax.methods.regression import AB_UNIT
from colorjax.nets.vgg_dilated import BLOCKS, SCALE
from colorjax.quantize import ab_bins

Variables = dict[str, dict[str, np.ndarray]]  # of one network, by layer, then by name


class Layer(NamedTuple):
    """A row of a table: the kind of the layer, and the name of its variables."""

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


def _conv(g: Graph, x: str, layer: Layer, variables: dict[str, np.ndarray]) -> str:
    kernel = variables["kernel"].transpose(3, 2, 0, 1)
    return g(
        "Conv",
        x,
        kernel,
        variables["bias"],
        strides=[layer.stride] * 2,
        dilations=[layer.dilation] * 2,
        pads=[layer.dilation * (kernel.shape[-1] // 2)] * 4,
    )


def _transposed(
    g: Graph, x: str, layer: Layer, variables: dict[str, np.ndarray]
) -> str:
    kernel = variables["kernel"].transpose(2, 3, 0, 1)
    return g(
        "ConvTranspose",
        x,
        kernel,
        variables["bias"],
        strides=[layer.stride] * 2,
        pads=[(kernel.shape[-1] - layer.stride) // 2] * 4,
    )


def _norm(g: Graph, x: str, layer: Layer, variables: dict[str, np.ndarray]) -> str:
    mean, variance = variables["mean"], variables["var"]
    scale = variables.get("scale", np.ones_like(mean))
    bias = variables.get("bias", np.zeros_like(mean))
    return g("BatchNormalization", x, scale, bias, mean, variance, epsilon=1e-5)


def _relu(g: Graph, x: str, layer: Layer, variables: dict[str, np.ndarray]) -> str:
    return g("Relu", x)


KINDS = {"conv": _conv, "transposed": _transposed, "norm": _norm, "relu": _relu}


def _annealed_mean(g: Graph, logits: str, temperature: str) -> str:
    p = g("Softmax", g("Div", logits, temperature), axis=1)
    return mix_channels(g, p, ab_bins().T)


def _regressed(g: Graph, output: str, temperature: str) -> str:
    return g("Mul", output, AB_UNIT)


class Network(NamedTuple):
    """A network, from (L - 50) / 100 to ab.

    `layers` compute an output at 1 / `scale` of the resolution. `to_ab(graph, output,
    temperature)` turns it into ab; it uses the temperature if `has_temperature`.
    """

    layers: Callable[[], Iterator[Layer]]
    scale: int
    to_ab: Callable[[Graph, str, str], str]
    has_temperature: bool


NETWORKS = {  # by the name of the method
    "zhang2016": Network(vgg_dilated, SCALE, _annealed_mean, True),
    "regression": Network(vgg_dilated, SCALE, _regressed, False),
}


def network(method: str, nets: dict[str, Any]) -> tuple[Network, Variables]:
    """The network of a method, and the variables of its layers.

    Raises `UserError` if the method has no table, or if the network of the run has
    other layers than the table.
    """
    net = NETWORKS.get(method)
    variables: Variables = {}
    for collection in nets.get("G", {}).values():
        for name, values in collection.items():
            variables.setdefault(name, {}).update(values)
    named = {layer.name for layer in net.layers() if layer.name} if net else set()
    if net is None or named != set(variables) or len(nets) > 1:
        raise UserError(
            f"the network of this run (method {method}) cannot be written as ONNX, "
            f"only those of {', '.join(NETWORKS)}; --format stablehlo writes any"
        )
    return net, variables


def write(g: Graph, net: Network, variables: Variables, lightness: str) -> str:
    """The output of the network for L, whose sides are multiples of the stride."""
    x = g("Div", g("Sub", lightness, 50.0), 100.0)
    for layer in net.layers():
        x = KINDS[layer.kind](g, x, layer, variables.get(layer.name, {}))
    return x
