"""An ONNX graph, built node by node, and the color conversions in it.

`rgb_to_lightness`, `into_gamut` and `lab_to_rgb` are those of `colorjax.color`, with
channels first: L is [b 1 h w].
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from colorjax.apps.export.function import HALVINGS
from colorjax.color import EPSILON, MARGIN, RGB_TO_XYZ, SLOPE, WHITE, XYZ_TO_RGB

OPSET, IR = 17, 8  # of 2022, which every ONNX program reads


class Graph:
    """Nodes and constants. A call, and `constant`, return the name of a value."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, kind: str, *inputs: str | np.ndarray | float, **settings) -> str:
        """Add a node. Inputs that are arrays or numbers become constants."""
        output = f"{kind}_{len(self.nodes)}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(kind, names, [output], output, **settings))
        return output

    def constant(self, value: np.ndarray | float, name: str | None = None) -> str:
        """Add a constant; or, with the name of an input, the default of that input.

        Arrays of integers are stored as int64, everything else as float32.
        """
        value = np.asarray(value)
        kind = np.int64 if value.dtype.kind == "i" and value.ndim else np.float32
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value.astype(kind), name))
        return name

    def model(self, inputs, outputs, metadata: dict[str, str]) -> onnx.ModelProto:
        """The model with all nodes, checked by ONNX."""
        graph = helper.make_graph(
            self.nodes, "colorjax", inputs, outputs, self.constants
        )
        model = helper.make_model(
            graph,
            ir_version=IR,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="colorjax",
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model


def mix_channels(g: Graph, planes: str, matrix: np.ndarray) -> str:
    """A linear map of channels, [b i h w] to [b o h w]; `matrix` is [o i]."""
    return g("Conv", planes, np.asarray(matrix, np.float32)[..., None, None])


def rgb_to_lightness(g: Graph, rgb: str) -> str:
    """L, 0 to 100, [b 1 h w], of sRGB in [0, 1], [b 3 h w]."""
    power = g("Div", g("Add", g("Max", rgb, 0.04045), 0.055), 1.055)
    linear_part = g("Div", rgb, 12.92)
    linear = g("Where", g("Greater", rgb, 0.04045), g("Pow", power, 2.4), linear_part)
    t = mix_channels(g, linear, np.array(RGB_TO_XYZ[1:2]))  # Y, whose white is 1
    root = g("Pow", g("Max", t, EPSILON), 1 / 3)
    tangent = g("Add", g("Mul", t, SLOPE), 4 / 29)
    f = g("Where", g("Greater", t, EPSILON), root, tangent)
    return g("Sub", g("Mul", f, 116.0), 16.0)


def _lab_to_linear(g: Graph, lightness: str, ab: str) -> str:
    """Linear light of the sRGB primaries, [b 3 h w], not clipped."""
    y = g("Div", g("Add", lightness, 16.0), 116.0)
    f = g(
        "Add", mix_channels(g, ab, np.array([[1 / 500, 0], [0, 0], [0, -1 / 200]])), y
    )
    curve = g("Mul", g("Mul", f, f), f)
    tangent = g("Div", g("Sub", f, 4 / 29), SLOPE)
    t = g("Where", g("Greater", f, 6 / 29), curve, tangent)
    return mix_channels(g, t, np.array(XYZ_TO_RGB) * np.array(WHITE))


def into_gamut(g: Graph, lightness: str, ab: str) -> str:
    """ab [b 2 h w], with less chroma where the color is outside the sRGB gamut."""

    def fits(scale):
        linear = _lab_to_linear(g, lightness, g("Mul", ab, scale))
        low = g("ReduceMin", linear, axes=[1], keepdims=1)
        high = g("ReduceMax", linear, axes=[1], keepdims=1)
        inside = g("Less", high, 1 + MARGIN)
        return g("And", g("Greater", low, -MARGIN), inside)

    zero = g("Mul", lightness, 0.0)
    whole = g("Add", zero, 1.0)
    scale = zero
    for i in range(1, HALVINGS + 1):
        more = g("Add", scale, 0.5**i)
        scale = g("Where", fits(more), more, scale)
    return g("Mul", ab, g("Where", fits(whole), whole, scale))


def lab_to_rgb(g: Graph, lightness: str, ab: str) -> str:
    """sRGB in [0, 1], [b 3 h w], clipped."""
    linear = _lab_to_linear(g, lightness, ab)
    power = g("Pow", g("Max", linear, 0.0031308), 1 / 2.4)
    power = g("Sub", g("Mul", power, 1.055), 0.055)
    linear_part = g("Mul", linear, 12.92)
    rgb = g("Where", g("Greater", linear, 0.0031308), power, linear_part)
    return g("Clip", rgb, 0.0, 1.0)
