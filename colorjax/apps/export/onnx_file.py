"""A run as ONNX: writing the file, and running it in ONNX Runtime."""

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
from colorjax.inference.batching import STRIDE

SHAPE = ["batch", "height", "width", 3]


def serialize(
    method: str, nets: dict[str, Any], temperature: float, metadata: dict[str, str]
) -> bytes:
    """The colorizer as the bytes of an ONNX file.

    The input is "rgb", and the output is "colorized". If the method has logits,
    "temperature" is a second input, which may be left out. Raises `UserError` if the
    network cannot be written.
    """
    net, variables = onnx_networks.network(method, nets)
    g = Graph()
    inputs = [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, SHAPE)]
    if net.has_temperature:
        g.constant(temperature, name="temperature")
        inputs.append(
            helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [])
        )
    lightness = rgb_to_lightness(g, g("Transpose", "rgb", perm=[0, 3, 1, 2]))
    size = g("Slice", g("Shape", lightness), np.array([2]), np.array([4]))
    # The last row is repeated -h mod 8 times, the last column -w mod 8 times.
    missing = g("Mod", g("Neg", size), np.array([STRIDE]))
    pads = g("Concat", np.zeros(6, np.int64), missing, axis=0)
    padded = g("Pad", lightness, pads, mode="edge")
    output = onnx_networks.write(g, net, variables, padded)
    ab = net.to_ab(g, output, "temperature")
    # Samples lie on every fourth pixel, the first on pixel 0.
    ab = g(
        "Resize",
        ab,
        "",
        np.array([1, 1, net.scale, net.scale], np.float32),
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
    """`colorize(rgb, temperature=None)`, computed by ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warning about the default of an input
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"]
    )

    def call(rgb, temperature=None):
        inputs = {"rgb": np.asarray(rgb)}
        if temperature is not None:
            inputs["temperature"] = np.asarray(temperature, np.float32)
        return session.run(None, inputs)[0]

    return call
