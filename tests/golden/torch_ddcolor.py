"""DDColor in PyTorch, by the names of the published files: `ddcolor`.

The net is written from the paper and the layers of its authors' code. Its tensors are
those of `golden.ddcolor_tensors`.
"""

import math

import numpy as np
import torch
from golden.ddcolor_tensors import COLORS, DEPTHS, ENCODER, HEADS, LAYERS
from torch.nn import functional


def ddcolor(tensors, rgb: torch.Tensor) -> torch.Tensor:
    """ab [b 2 h w] of greys, RGB in [0, 1], in evaluation mode."""
    mean, std = tensors["mean"], tensors["std"]
    rgb = (rgb - mean) / std
    *skips, x = convnext(tensors, rgb, ENCODER)
    scales = []
    for number in range(3):
        block = f"decoder.layers.{number}"
        x = kernel_conv(tensors, f"{block}.shuf.conv.0", x)
        x = blurred(batch_norm(tensors, f"{block}.shuf.conv.1", x).relu(), 2)
        skip = batch_norm(tensors, f"{block}.bn", skips.pop()).relu()
        x = kernel_conv(tensors, f"{block}.conv.0", torch.cat([x, skip], 1)).relu()
        x = batch_norm(tensors, f"{block}.conv.2", x)
        scales.append(x)
    x = blurred(kernel_conv(tensors, "decoder.last_shuf.conv.0", x).relu(), 4)
    colors = color_decoder(tensors, scales)
    maps = torch.einsum("bqc,bchw->bqhw", colors, x)
    return kernel_conv(tensors, "refine_net.0.0", torch.cat([maps, rgb], 1))


def convnext(tensors, x, prefix) -> list[torch.Tensor]:
    """The features of the four stages, normalized."""

    def norm(x, key):
        x = layer_norm(tensors, f"{prefix}{key}", x.movedim(1, -1), 1e-6)
        return x.movedim(-1, 1)

    features = []
    for stage, depth in enumerate(DEPTHS):
        down = f"downsample_layers.{stage}"
        conv = f"{prefix}{down}.{1 if stage else 0}"
        side = 2 if stage else 4
        if stage:
            x = norm(x, f"{down}.0")
        x = functional.conv2d(x, *weight_bias(tensors, conv), stride=side)
        if not stage:
            x = norm(x, f"{down}.1")
        for number in range(depth):
            block = f"{prefix}stages.{stage}.{number}"
            depthwise = weight_bias(tensors, f"{block}.dwconv")
            y = functional.conv2d(x, *depthwise, padding=3, groups=x.shape[1])
            y = layer_norm(tensors, f"{block}.norm", y.movedim(1, -1), 1e-6)
            y = functional.linear(y, *weight_bias(tensors, f"{block}.pwconv1"))
            y = functional.linear(
                functional.gelu(y), *weight_bias(tensors, f"{block}.pwconv2")
            )
            x = x + (tensors[f"{block}.gamma"] * y).movedim(-1, 1)
        features.append(norm(x, f"norm{stage}"))
    return features


def color_decoder(tensors, scales) -> torch.Tensor:
    """One vector for each query: [b q c]."""
    places = tensors[f"{COLORS}query_embed.weight"]
    x = tensors[f"{COLORS}query_feat.weight"].expand(len(scales[0]), -1, -1)
    memory = []
    for number, features in enumerate(scales):
        key = f"{COLORS}input_proj.{number}"
        y = functional.conv2d(features, *weight_bias(tensors, key)).flatten(2)
        y = y.mT + tensors[f"{COLORS}level_embed.weight"][number]
        position = positions(*features.shape[2:], y.shape[-1]).to(y.dtype)
        memory.append((y + position, y))
    for number in range(LAYERS):
        layer = f"{COLORS}transformer_cross_attention_layers.{number}"
        found = attention(
            tensors, f"{layer}.multihead_attn", x + places, *memory[number % 3]
        )
        x = layer_norm(tensors, f"{layer}.norm", x + found)
        layer = f"{COLORS}transformer_self_attention_layers.{number}"
        found = attention(tensors, f"{layer}.self_attn", x + places, x + places, x)
        x = layer_norm(tensors, f"{layer}.norm", x + found)
        layer = f"{COLORS}transformer_ffn_layers.{number}"
        y = functional.linear(x, *weight_bias(tensors, f"{layer}.linear1")).relu()
        y = functional.linear(y, *weight_bias(tensors, f"{layer}.linear2"))
        x = layer_norm(tensors, f"{layer}.norm", x + y)
    x = layer_norm(tensors, f"{COLORS}decoder_norm", x)
    for number in range(3):
        key = f"{COLORS}color_embed.layers.{number}"
        x = functional.linear(x.relu() if number else x, *weight_bias(tensors, key))
    return x


def attention(tensors, key, x, keys, values) -> torch.Tensor:
    """Multi-head attention by `functional.scaled_dot_product_attention`."""
    weights = tensors[f"{key}.in_proj_weight"].chunk(3)
    biases = tensors[f"{key}.in_proj_bias"].chunk(3)
    split = [
        functional.linear(y, w, b).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for y, w, b in zip((x, keys, values), weights, biases, strict=True)
    ]
    y = functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
    return functional.linear(y, *weight_bias(tensors, f"{key}.out_proj"))


def positions(height, width, channels) -> torch.Tensor:
    """[h w c]: for each of row and column, sine and cosine in turn."""
    half = channels // 2
    table = np.zeros((height, width, channels))
    for i in range(half):
        wavelength = 10_000 ** (2 * (i // 2) / half)
        wave = np.cos if i % 2 else np.sin
        for start, length, axis in ((0, height, 0), (half, width, 1)):
            angle = 2 * math.pi * np.arange(1, length + 1) / (length + 1e-6)
            column = wave(angle / wavelength)
            table[..., start + i] = column[:, None] if axis == 0 else column[None]
    return torch.tensor(table.reshape(-1, channels))


def kernel_conv(tensors, key, x) -> torch.Tensor:
    """A convolution with spectral normalization."""
    kernel = spectral_kernel(tensors, key)
    bias = tensors.get(f"{key}.bias")
    return functional.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)


def spectral_kernel(tensors, key) -> torch.Tensor:
    """The kernel, divided by its largest singular value unless it is already."""
    if f"{key}.weight" in tensors:
        return tensors[f"{key}.weight"]
    kernel = tensors[f"{key}.weight_orig"]
    u, v = tensors[f"{key}.weight_u"], tensors[f"{key}.weight_v"]
    return kernel / (u @ kernel.flatten(1) @ v)


def blurred(x, factor) -> torch.Tensor:
    x = functional.pad(functional.pixel_shuffle(x, factor), (1, 0, 1, 0), "replicate")
    return functional.avg_pool2d(x, 2, 1)


def batch_norm(tensors, key, x) -> torch.Tensor:
    """With running statistics, if there are any, else with those of the batch."""
    parts = ("running_mean", "running_var", "weight", "bias")
    parts = [tensors.get(f"{key}.{part}") for part in parts]
    return functional.batch_norm(x, *parts, training=parts[0] is None)


def layer_norm(tensors, key, x, eps=1e-5) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], *weight_bias(tensors, key), eps)


def weight_bias(tensors, key):
    return tensors[f"{key}.weight"], tensors[f"{key}.bias"]
