"""Seeded tensors with the names and shapes of DDColor's files, a sixteenth as wide."""

import numpy as np
from golden.published import values
from golden.weights import fill

WIDTH = 1 / 16
DEPTHS, CHANNELS = (3, 3, 9, 3), (96, 192, 384, 768)
QUERIES, LAYERS, HEADS = 20, 4, 8
VIVID = 40.0  # scale of the last kernel, so that ab has the range of colors
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENCODER, COLORS = "encoder.arch.", "decoder.color_decoder."


def grey() -> np.ndarray:
    """L of two images, in [0, 100]."""
    return fill("grey", (2, 64, 96, 1), 0, 100)


def ddcolor_tensors() -> dict[str, np.ndarray]:
    """All tensors of a file of DDColor-T, with fewer queries and layers."""
    shapes, kernels = convnext_shapes(ENCODER), {}
    sizes = [round(c * WIDTH) for c in CHANNELS]
    for stage, size in enumerate(sizes):
        add_norm(shapes, f"{ENCODER}norm{stage}", size)
    add_norm(shapes, f"{ENCODER}norm", sizes[3])
    wide, half = round(512 * WIDTH), round(256 * WIDTH)
    before = sizes[3]
    for number, (size, skip) in enumerate(
        zip((wide, wide, half), sizes[2::-1], strict=True)
    ):
        block = f"decoder.layers.{number}"
        kernels[f"{block}.shuf.conv.0"] = (4 * size, before, 1, 1)
        add_batch_norm(shapes, f"{block}.shuf.conv.1", 4 * size)
        add_batch_norm(shapes, f"{block}.bn", skip)
        kernels[f"{block}.conv.0"] = (size, size + skip, 3, 3)
        add_batch_norm(shapes, f"{block}.conv.2", size)
        before = size
    kernels["decoder.last_shuf.conv.0"] = (16 * half, half, 1, 1)
    kernels["refine_net.0.0"] = (2, QUERIES + 3, 1, 1)
    shapes["decoder.last_shuf.conv.0.bias"] = (16 * half,)
    shapes["refine_net.0.0.bias"] = (2,)
    shapes |= color_decoder_shapes(half, (wide, wide, half))
    tensors = {key: values(key, shape) for key, shape in shapes.items()}
    for key, shape in kernels.items():
        tensors |= spectral_tensors(f"{key}.weight", shape)
    tensors["refine_net.0.0.weight_u"] /= VIVID  # the kernel is divided by it
    buffers = {"mean": MEAN, "std": STD}
    return tensors | {
        key: np.array(x, np.float32).reshape(1, 3, 1, 1) for key, x in buffers.items()
    }


def convnext_shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    """The shapes of ConvNeXt's tensors, without those after its last stage."""
    shapes, before = {}, 3
    for stage, (depth, channels) in enumerate(zip(DEPTHS, CHANNELS, strict=True)):
        size, side = round(channels * WIDTH), 2 if stage else 4
        conv, norm = (1, 0) if stage else (0, 1)
        down = f"{prefix}downsample_layers.{stage}"
        add(shapes, f"{down}.{conv}", size, before, side, side)
        add_norm(shapes, f"{down}.{norm}", before if stage else size)
        for number in range(depth):
            block = f"{prefix}stages.{stage}.{number}"
            shapes[f"{block}.gamma"] = (size,)
            add(shapes, f"{block}.dwconv", size, 1, 7, 7)
            add_norm(shapes, f"{block}.norm", size)
            add(shapes, f"{block}.pwconv1", 4 * size, size)
            add(shapes, f"{block}.pwconv2", size, 4 * size)
        before = size
    return shapes


def color_decoder_shapes(hidden, scales) -> dict[str, tuple[int, ...]]:
    shapes = {
        f"{COLORS}query_feat.weight": (QUERIES, hidden),
        f"{COLORS}query_embed.weight": (QUERIES, hidden),
        f"{COLORS}level_embed.weight": (len(scales), hidden),
    }
    for number, size in enumerate(scales):
        add(shapes, f"{COLORS}input_proj.{number}", hidden, size, 1, 1)
    for number in range(LAYERS):
        for kind, name in (("cross", "multihead_attn"), ("self", "self_attn")):
            layer = f"{COLORS}transformer_{kind}_attention_layers.{number}"
            shapes[f"{layer}.{name}.in_proj_weight"] = (3 * hidden, hidden)
            shapes[f"{layer}.{name}.in_proj_bias"] = (3 * hidden,)
            add(shapes, f"{layer}.{name}.out_proj", hidden, hidden)
            add_norm(shapes, f"{layer}.norm", hidden)
        layer = f"{COLORS}transformer_ffn_layers.{number}"
        add(shapes, f"{layer}.linear1", round(2048 * WIDTH), hidden)
        add(shapes, f"{layer}.linear2", hidden, round(2048 * WIDTH))
        add_norm(shapes, f"{layer}.norm", hidden)
        if number < 3:
            add(shapes, f"{COLORS}color_embed.layers.{number}", hidden, hidden)
    add_norm(shapes, f"{COLORS}decoder_norm", hidden)
    return shapes


def add(shapes, key, *shape):
    shapes[f"{key}.weight"], shapes[f"{key}.bias"] = shape, shape[:1]


def add_norm(shapes, key, size):
    shapes[f"{key}.weight"] = shapes[f"{key}.bias"] = (size,)


def add_batch_norm(shapes, key, size):
    add_norm(shapes, key, size)
    shapes[f"{key}.running_mean"] = shapes[f"{key}.running_var"] = (size,)


def spectral_tensors(key, shape) -> dict[str, np.ndarray]:
    """A kernel with spectral normalization, and the vectors of its power iteration."""
    kernel = values(key, shape)
    matrix = kernel.reshape(shape[0], -1)
    u = fill(f"{key}_u", shape[:1], -1, 1)
    for _ in range(9):
        v = u @ matrix
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    return {f"{key}_orig": kernel, f"{key}_u": u, f"{key}_v": v}
