"""A run as ONNX: `serialize`, and `load`, which runs it in ONNX Runtime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from colorjax.apps.export import onnx_networks
from colorjax.apps.export.onnx_graph import (
    Graph,
    into_gamut,
    lab_to_rgb,
    rgb_to_lightness,
)
from colorjax.inference.colorizer import STRIDE

SHAPE = ["batch", "height", "width", 3]


def serialize(
    method: str, nets: dict[str, Any], temperature: float, metadata: dict[str, str]
) -> bytes:
    """The colorizer as the bytes of an ONNX file.

    Its input is "rgb", its output "colorized"; of a method with logits "temperature" is
    an input too, which may be left out. Raises `UserError` for a net that cannot be
    written.
    """
    found, variables = onnx_networks.network(method, nets)
    g = Graph()
    inputs = [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, SHAPE)]
    if found.tempered:
        g.constant(temperature, name="temperature")
        inputs.append(
            helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [])
        )
    lightness = rgb_to_lightness(g, g("Transpose", "rgb", perm=[0, 3, 1, 2]))
    size = g("Slice", g("Shape", lightness), np.array([2]), np.array([4]))
    # -(h // -8) * 8 - h rows are missing, which are copies of the last one.
    missing = g("Mod", g("Neg", size), np.array([STRIDE]))
    pads = g("Concat", np.zeros(6, np.int64), missing, axis=0)
    padded = g("Pad", lightness, pads, mode="edge")
    output = onnx_networks.write(g, found, variables, padded)
    ab = found.ab(g, output, "temperature")
    # Samples lie on every fourth pixel, the first on pixel 0.
    ab = g(
        "Resize",
        ab,
        "",
        np.array([1, 1, found.scale, found.scale], np.float32),
        mode="linear",
        coordinate_transformation_mode="asymmetric",
    )
    ab = g("Slice", ab, np.array([0, 0]), size, np.array([2, 3]))
    rgb = lab_to_rgb(g, lightness, into_gamut(g, lightness, ab))
    result = helper.make_tensor_value_info("colorized", TensorProto.FLOAT, SHAPE)
    g.nodes.append(
        helper.make_node("Transpose", [rgb], ["colorized"], perm=[0, 2, 3, 1])
    )
    return g.model(inputs, [result], metadata).SerializeToString()


def load(data: bytes) -> Callable:
    """A function of RGB, and perhaps a temperature, that ONNX Runtime computes on the
    CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs with defaults, which are meant
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"]
    )

    def call(rgb, temperature=None):
        given = {"rgb": np.asarray(rgb)}
        if temperature is not None:
            given["temperature"] = np.asarray(temperature, np.float32)
        return session.run(None, given)[0]

    return call
