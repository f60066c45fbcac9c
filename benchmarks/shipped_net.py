"""The shipped model's network in PyTorch and in ONNX: `torch_net`, `onnx_net`.

`network` describes it once, in terms of a few operations on images [b c h w], whose
sides are multiples of 32.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from colorjax.nets.efficientnet_lite import LEVELS, STAGES

OPSET = 21
RELU, RELU6 = np.inf, 6.0  # the largest output after a convolution


def network(ops: Any, lightness: Any, params: Mapping[str, Any]) -> Any:
    """L in [0, 100] to logits at a quarter of its size, with the operations `ops`."""
    encoder = params["encoder"]

    def conv(x, layer, most=None, stride=1, depthwise=False):
        kernel = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
        groups = len(kernel) if depthwise else 1
        return ops.conv(x, kernel, layer["bias"], stride, groups, most)

    x = conv(ops.normalize(lightness), encoder["stem"], RELU6, 2)
    features, number = [], 0
    for stage in STAGES:
        for layer in range(stage.depth):
            y, name = x, f"block{number}"
            if stage.expansion > 1:
                y = conv(y, encoder[f"{name}_expand"], RELU6)
            stride = stage.stride if layer == 0 else 1
            y = conv(y, encoder[f"{name}_depthwise"], RELU6, stride, depthwise=True)
            y = conv(y, encoder[f"{name}_project"])
            x = ops.add(x, y) if layer else y
            number += 1
        features.append(x)
    *finer, coarsest = [features[level] for level in LEVELS]
    x = conv(ops.with_mean(coarsest), params["lateral32"], RELU)
    for scale, level in zip((16, 8, 4), reversed(finer), strict=True):
        lateral = conv(level, params[f"lateral{scale}"])
        x = ops.relu(ops.add(ops.double(x), lateral))
        x = conv(x, params[f"smooth{scale}"], RELU)
    return conv(x, params["head"])


class Torch:
    """The operations in PyTorch."""

    def __init__(self, memory_format: torch.memory_format):
        self.memory_format, self.weights = memory_format, {}

    def conv(self, x, kernel, bias, stride, groups, most):
        if id(bias) not in self.weights:
            weight = torch.from_numpy(kernel)
            weight = weight.contiguous(memory_format=self.memory_format)
            self.weights[id(bias)] = weight, torch.tensor(bias)
        pad = kernel.shape[-1] // 2
        weights = self.weights[id(bias)]
        x = functional.conv2d(x, *weights, stride, pad, groups=groups)
        return x if most is None else x.clamp_(0, most)

    def normalize(self, x):
        return (x - 50) / 50

    def add(self, x, y):
        return x + y

    def relu(self, x):
        return torch.relu_(x)

    def with_mean(self, x):
        return torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], 1)

    def double(self, x):
        h, w = x.shape[2:]
        x = functional.pad(x, (0, 1, 0, 1), mode="replicate")
        size = (2 * h + 1, 2 * w + 1)
        x = functional.interpolate(x, size, mode="bilinear", align_corners=True)
        return x[..., : 2 * h, : 2 * w]


def torch_net(
    params: Mapping[str, Any], memory_format: torch.memory_format
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from L [b 1 h w] to logits [b 313 h/4 w/4]."""
    ops = Torch(memory_format)

    def predict(lightness):
        with torch.inference_mode():
            x = torch.from_numpy(lightness).contiguous(memory_format=memory_format)
            return network(ops, x, params).numpy()

    return predict


class Onnx:
    """The operations as nodes of a graph."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def node(self, kind, *inputs, **options):
        name = f"node{len(self.nodes)}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **options))
        return name

    def constant(self, value):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def conv(self, x, kernel, bias, stride, groups, most):
        pads = [kernel.shape[-1] // 2] * 4
        strides = [stride, stride]
        x = self.node("Conv", x, kernel, bias, strides=strides, pads=pads, group=groups)
        if most is None:
            return x
        if most == RELU:
            return self.relu(x)
        return self.node("Clip", x, np.float32(0), np.float32(most))

    def normalize(self, x):
        return self.node("Div", self.node("Sub", x, np.float32(50)), np.float32(50))

    def add(self, x, y):
        return self.node("Add", x, y)

    def relu(self, x):
        return self.node("Relu", x)

    def with_mean(self, x):
        mean = self.node("ReduceMean", x, np.array([2, 3]))
        mean = self.node("Expand", mean, self.node("Shape", x))
        return self.node("Concat", x, mean, axis=1)

    def double(self, x):
        # From samples on every second pixel: of 2 (n + 1) - 1 rows the last is dropped.
        x = self.node("Pad", x, np.array([0, 0, 0, 0, 0, 0, 1, 1]), mode="edge")
        size = self.node("Shape", x)
        size = self.node("Mul", size, np.array([1, 1, 2, 2]))
        size = self.node("Sub", size, np.array([0, 0, 1, 1]))
        self.nodes.append(
            helper.make_node(
                "Resize",
                [x, "", "", size],
                [name := f"node{len(self.nodes)}"],
                mode="linear",
                coordinate_transformation_mode="align_corners",
            )
        )
        starts, ends, axes = np.array([0, 0]), np.array([-1, -1]), np.array([2, 3])
        return self.node("Slice", name, starts, ends, axes)


def onnx_net(params: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The same function in ONNX Runtime on the CPU."""
    ops = Onnx()
    output = network(ops, "lightness", params)
    sizes = {"lightness": ["b", 1, "h", "w"], output: ["b", 313, "h4", "w4"]}
    of_input, of_output = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes[name])]
        for name in ("lightness", output)
    )
    graph = helper.make_graph(ops.nodes, "net", of_input, of_output, ops.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda lightness: session.run(None, {"lightness": lightness})[0]
