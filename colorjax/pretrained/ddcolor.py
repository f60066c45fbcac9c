"""DDColor with published weights, and its encoder before training: `load_ddcolor` and
`load_convnext`.

The authors publish four files for PyTorch: ddcolor_paper_tiny of one size, and
ddcolor_paper, ddcolor_modelscope and ddcolor_artistic of another. The encoder of a new
DDColor starts from ConvNeXt, trained on ImageNet-22k.

Source: the layers in github.com/piddnad/DDColor and, of ConvNeXt, in
github.com/facebookresearch/ConvNeXt.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.nets.convnext import SIZES, STRIDE
from colorjax.nets.ddcolor import MEAN, STD, DDColor
from colorjax.pretrained.torch_layers import load_layers, unwrapped
from colorjax.pretrained.weights import Published, Reader, Tensors, Weights

LAYOUT = "that of DDColor for PyTorch"
LICENSE = (
    "of the code: Apache License 2.0, (c) Alibaba Group; of the weights: as the page "
    "with the file states"
)
ENCODER_LAYOUT = "that of ConvNeXt for PyTorch, without its head"
ENCODER_LICENSE = (
    "of the code: MIT, (c) Meta Platforms, Inc. and affiliates; of the weights: as the "
    "page with the file states"
)
SIDE = 512
MARK = r"(params\.)?decoder\.color_decoder\."  # a name begins so in such a file
ENCODER_MARK = r"(model\.)?downsample_layers\."
HEAD = ("norm.", "head.", "head_cls.")  # ConvNeXt's layers for classification

# How the names of our layers begin, and those in the file; {} is the place in a stack.
ENCODER_KEYS = (
    (r"encoder/down0/", r"downsample_layers.0.0."),
    (r"encoder/down0_norm/", r"downsample_layers.0.1."),
    (r"encoder/down(\d)/", r"downsample_layers.\1.1."),
    (r"encoder/down(\d)_norm/", r"downsample_layers.\1.0."),
    (r"encoder/norm(\d)/", r"norm\1."),
    (r"encoder/stage(\d)/layer_scale", r"stages.\1.{}.gamma"),
    (r"encoder/stage(\d)/depthwise/", r"stages.\1.{}.dwconv."),
    (r"encoder/stage(\d)/norm/", r"stages.\1.{}.norm."),
    (r"encoder/stage(\d)/expand/", r"stages.\1.{}.pwconv1."),
    (r"encoder/stage(\d)/project/", r"stages.\1.{}.pwconv2."),
)
COLOR_KEYS = (
    (r"colors/queries", r"query_feat.weight"),
    (r"colors/places", r"query_embed.weight"),
    (r"colors/levels", r"level_embed.weight"),
    (r"colors/scale(\d)/", r"input_proj.\1."),
    (r"colors/cross(\d+)/", r"transformer_cross_attention_layers.\1.multihead_attn."),
    (r"colors/cross(\d+)_norm/", r"transformer_cross_attention_layers.\1.norm."),
    (r"colors/self(\d+)/", r"transformer_self_attention_layers.\1.self_attn."),
    (r"colors/self(\d+)_norm/", r"transformer_self_attention_layers.\1.norm."),
    (r"colors/widen(\d+)/", r"transformer_ffn_layers.\1.linear1."),
    (r"colors/narrow(\d+)/", r"transformer_ffn_layers.\1.linear2."),
    (r"colors/feedforward(\d+)_norm/", r"transformer_ffn_layers.\1.norm."),
    (r"colors/norm/", r"decoder_norm."),
    (r"colors/color(\d)/", r"color_embed.layers.\1."),
)
KEYS = (
    *((ours, f"encoder.arch.{theirs}") for ours, theirs in ENCODER_KEYS),
    *((ours, f"decoder.color_decoder.{theirs}") for ours, theirs in COLOR_KEYS),
    (r"up(\d)/shuffle/", r"decoder.layers.\1.shuf.conv.0."),
    (r"up(\d)/shuffle_norm/", r"decoder.layers.\1.shuf.conv.1."),
    (r"up(\d)/skip_norm/", r"decoder.layers.\1.bn."),
    (r"up(\d)/conv1/", r"decoder.layers.\1.conv.0."),
    (r"up(\d)/conv1_norm/", r"decoder.layers.\1.conv.2."),
    (r"last/", r"decoder.last_shuf.conv.0."),
    (r"refine/", r"refine_net.0.0."),
    (r"bias", r"refine_net.0.0.bias"),
)


def load_ddcolor(weights: Weights) -> Published:
    """The net in one of the authors' files, or a narrower one of the same layout.

    Spectral normalization is folded into the kernels. Raises `UserError`, naming the
    tensor, where one is missing, unknown, of another shape or not finite.
    """
    tensors = _without_head(unwrapped(weights.tensors), "encoder.arch.")
    reader = Reader(weights._replace(tensors=tensors), "DDColor")
    for key, expected in (("mean", MEAN), ("std", STD)):
        if key in tensors:  # as buffers of the net
            values = reader.take(key, (1, 3, 1, 1)).ravel()
            if not np.allclose(values, expected):
                raise reader.refusal(key, "is not that of ImageNet")
    size, width = _encoder_size(reader, "encoder.arch.")
    queries = reader.shape("decoder.color_decoder.query_feat.weight")[0]
    layers = sum(key.endswith("multihead_attn.in_proj_weight") for key in tensors)
    net = DDColor(size, width, queries, layers)
    shapes = _shapes(net)
    variables = {kind: load_layers(reader, shapes[kind], KEYS) for kind in shapes}
    reader.finish()
    method: dict[str, Any] = dict(name="ddcolor", encoder=size, width=width)
    return Published(
        layout=LAYOUT,
        license=LICENSE,
        variables=variables,
        method=method | dict(queries=queries, layers=layers, square=True),
        side=SIDE,
        conventions={
            "input": "the grey of L in sRGB, by the mean and deviation of ImageNet",
            "kernels": "divided by their largest singular value (spectral norm)",
            "decoding": "the output is ab",
            "size": f"squares of {SIDE} pixels, aspect not kept",
            "upsampling": "the nearest pixel; here bilinear, along the edges of L",
        },
    )


def load_convnext(weights: Weights) -> Published:
    """The encoder alone, from a file of ConvNeXt-T or -L; the rest must be trained.

    Raises `UserError`, naming the tensor, where one does not fit.
    """
    tensors = _without_head(unwrapped(weights.tensors), "")
    reader = Reader(weights._replace(tensors=tensors), "ConvNeXt-T or ConvNeXt-L")
    size, width = _encoder_size(reader, "")
    shapes = _shapes(DDColor(size, width))["params"]["encoder"]
    for stage in range(len(SIZES[size][0])):
        del shapes[f"norm{stage}"]  # DDColor's own
    params = load_layers(reader, {"encoder": shapes}, ENCODER_KEYS)
    reader.finish()
    return Published(
        layout=ENCODER_LAYOUT,
        license=ENCODER_LICENSE,
        variables={"params": params},
        method=dict(name="ddcolor", encoder=size, width=width),
        side=256,
        conventions={
            "input": "the grey of L in sRGB, by the mean and deviation of ImageNet",
            "decoders": "none in the file, to be trained",
        },
        use="train it: python train.py --config=configs/ddcolor.py "
        f"--config.method.encoder={size} --config.init_from={{run}}",
    )


def _without_head(tensors: Tensors, prefix: str) -> Tensors:
    head = tuple(f"{prefix}{layer}" for layer in HEAD)
    return {key: x for key, x in tensors.items() if not key.startswith(head)}


def _encoder_size(reader: Reader, prefix: str) -> tuple[str, float]:
    """The size of the encoder and its width, from its third stage and first kernel."""
    last = f"{prefix}stages.2.{SIZES['tiny'][0][2]}.gamma"
    size = "large" if last in reader.left else "tiny"
    channels = reader.shape(f"{prefix}downsample_layers.0.0.weight")[0]
    return size, channels / SIZES[size][1][0]


def _shapes(net: DDColor) -> dict[str, Any]:
    lightness = jax.ShapeDtypeStruct((1, STRIDE, STRIDE, 1), jnp.float32)
    return jax.eval_shape(net.init, jax.random.key(0), lightness)
