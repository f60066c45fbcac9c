"""Seeded tensors with the names and shapes of DeOldify's files, narrow."""

import numpy as np
from golden.ddcolor_tensors import add_batch_norm, spectral_tensors
from golden.published import values
from golden.weights import fill

WIDTH = 1 / 8
DEPTHS = {"deep": (3, 4, 6, 3), "wide": (3, 4, 23, 3)}
VIVID = 3.0  # scale of the last kernel, so that colors differ


def dark_and_light() -> np.ndarray:
    """L of two images, in [0, 100]; the sides are odd at 1/16 or at 1/32."""
    return fill("dark and light", (2, 48, 80, 1), 0, 100)


def deoldify_tensors(form: str) -> dict[str, np.ndarray]:
    """All tensors of a file; the vectors of the power iteration fit the kernels."""
    shapes, kernels = encoder_shapes(form), {}
    features = [round(WIDTH * c) for c in (64, 64, 128, 256, 512)]
    if form == "wide":
        features[1:] = [4 * c for c in features[1:]]
    *skips, inputs = features
    add_batch_norm(shapes, "layers.1", inputs)
    for number, (before, outputs) in enumerate(
        ((inputs, 2 * inputs), (2 * inputs, inputs))
    ):
        kernels[f"layers.3.{number}.0"] = (outputs, before, 3, 3)
        add_batch_norm(shapes, f"layers.3.{number}.2", outputs)
    for number, skip in enumerate(reversed(skips)):
        inputs = add_block(shapes, kernels, form, number, inputs, skip)
    shapes["layers.8.conv.0.weight_g"] = (4 * inputs, 1, 1, 1)
    shapes["layers.8.conv.0.weight_v"] = (4 * inputs, inputs, 1, 1)
    shapes["layers.8.conv.0.bias"] = (4 * inputs,)
    inputs += 3
    for number in range(2):
        kernels[f"layers.10.layers.{number}.0"] = (inputs, inputs, 3, 3)
        shapes[f"layers.10.layers.{number}.0.bias"] = (inputs,)
    kernels["layers.11.0"] = (3, inputs, 1, 1)
    shapes["layers.11.0.bias"] = (3,)
    tensors = {key: values(key, shape) for key, shape in shapes.items()}
    for key, shape in kernels.items():
        tensors |= spectral_tensors(f"{key}.weight", shape)
    tensors["layers.11.0.weight_u"] /= VIVID  # the kernel is divided by it
    return tensors


def add_block(shapes, kernels, form, number, inputs, skip) -> int:
    """Add a block on the way up; returns the channels of its outputs."""
    block, last = f"layers.{number + 4}", number == 3
    if form == "deep":
        up = inputs // 2
        outputs = int(((up + skip) // 2 if last else up + skip) * 1.5)
        convs = {"conv1": (outputs, up + skip), "conv2": (outputs, outputs)}
    else:
        up = outputs = round(512 * WIDTH) // (2 if last else 1)
        convs = {"conv": (outputs, up + skip)}
    kernels[f"{block}.shuf.conv.0"] = (4 * up, inputs, 1, 1)
    add_batch_norm(shapes, f"{block}.shuf.conv.1", 4 * up)
    add_batch_norm(shapes, f"{block}.bn", skip)
    for name, shape in convs.items():
        kernels[f"{block}.{name}.0"] = (*shape, 3, 3)
        add_batch_norm(shapes, f"{block}.{name}.2", outputs)
    if number == 1:
        for part, size in (("query", 8), ("key", 8), ("value", 1)):
            kernels[f"{block}.{name}.3.{part}"] = (outputs // size, outputs, 1)
        shapes[f"{block}.{name}.3.gamma"] = (1,)
    return outputs


def encoder_shapes(form: str) -> dict[str, tuple[int, ...]]:
    """The shapes of ResNet-34's or ResNet-101's tensors."""
    shapes, before = {}, round(64 * WIDTH)
    shapes["layers.0.0.weight"] = (before, 3, 7, 7)
    add_batch_norm(shapes, "layers.0.1", before)
    for stage, depth in enumerate(DEPTHS[form]):
        inside = round(64 * WIDTH) * 2**stage
        outputs = inside if form == "deep" else 4 * inside
        for number in range(depth):
            block = f"layers.0.{stage + 4}.{number}"
            if form == "deep":
                convs = ((inside, before, 3), (inside, inside, 3))
            else:
                convs = ((inside, before, 1), (inside, inside, 3), (outputs, inside, 1))
            for place, (channels, inputs, side) in enumerate(convs, start=1):
                shape = (channels, inputs, side, side)
                shapes[f"{block}.conv{place}.weight"] = shape
                add_batch_norm(shapes, f"{block}.bn{place}", channels)
            if number == 0 and (stage or outputs != before):
                shapes[f"{block}.downsample.0.weight"] = (outputs, before, 1, 1)
                add_batch_norm(shapes, f"{block}.downsample.1", outputs)
            before = outputs
    return shapes
