"""The net that the paper's authors published, in colorjax's form: `load_zhang2016`.

They published it for PyTorch, as `colorization_release_v2-9b330a0b.pth`, and for Caffe,
as `colorization_release_v2.caffemodel` and a variant without rebalancing. The layers
are the same, the conventions for input and decoding differ. The run made of a file
predicts the same ab at the resolution of the net as the authors' code with that file.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, and the layers
and demonstrations in github.com/richzhang/colorization.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.errors import UserError
from colorjax.nets.vgg_dilated import BLOCKS, VGGDilated
from colorjax.pretrained.weights import Published, Reader, Weights
from colorjax.quantize import Q, ab_bins

LICENSE = (
    "of the authors' own file: BSD 2-Clause, (c) 2016 Richard Zhang, Phillip Isola, "
    "Alexei A. Efros"
)
MARK = r"model\d\.|model_out\.|(bw_)?conv1_1\."  # a name begins so in such a file
AB_UNIT = 110  # ab units that are 1 in the output of the PyTorch net
REHEAT = 2.606  # factor of the Caffe net's logits, unless the file has another
TARGETS = ("data_l_meansub.", "data_ab_ss.")  # Caffe layers that only training needs
NEAR = 1.0  # ab units: how far a decoder's color may be from its bin


def load_zhang2016(weights: Weights) -> Published:
    """The net in a file of either kind.

    The first layer determines the width, so narrower nets of the same layout load, too.
    Raises `UserError`, naming the tensor, where one is missing, unknown, of another
    shape or not finite, or where the decoder's colors are not the paper's bins.
    """
    if "model1.0.weight" in weights.tensors:
        return _from_pytorch(weights)
    for first in ("bw_conv1_1", "conv1_1"):  # as released, and as others name it
        if f"{first}.0" in weights.tensors:
            return _from_caffe(weights, first)
    raise UserError(
        f"{weights.path}: not a net of Zhang et al. 2016: neither 'model1.0.weight' as "
        "in the PyTorch file nor a layer 'bw_conv1_1' or 'conv1_1' as in the Caffe "
        f"file, but '{next(iter(weights.tensors))}'"
    )


def _from_pytorch(weights: Weights) -> Published:
    """From the PyTorch file, whose blocks are Sequentials.

    In a block, a ReLU follows each convolution, and the norm is last.
    """
    places = {"conv8_1": "8.0", "conv8_2": "8.2", "conv8_3": "8.4", "head": "8.6"}
    for block, (_, depth, _, _) in enumerate(BLOCKS, start=1):
        for layer in range(depth):
            places[f"conv{block}_{layer + 1}"] = f"{block}.{2 * layer}"
        places[f"norm{block}"] = f"{block}.{2 * depth}"
    reader = Reader(weights, "the PyTorch net of Zhang et al. 2016")
    width, shapes = _shapes(weights.tensors["model1.0.weight"], affine=True)
    params, statistics = {}, {}
    for layer, shape in shapes["params"].items():
        key = f"model{places[layer]}"
        if "kernel" in shape:
            params[layer] = _conv(reader, layer, shape, f"{key}.weight", f"{key}.bias")
        else:
            size = shape["bias"].size
            params[layer], statistics[layer] = reader.norm(key, size)
    colors = AB_UNIT * reader.take("model_out.weight", (2, Q, 1, 1))
    off = _distance_from_bins(reader, "model_out.weight", colors)
    reader.finish()
    return Published(
        layout="that of colorization_release_v2 for PyTorch",
        license=LICENSE,
        variables={"params": params, "batch_stats": statistics},
        method=dict(name="zhang2016", width=width, affine=True, temperature=1.0),
        side=256,
        conventions={
            "input": "(L - 50) / 100",
            "BatchNorm": "with scale and offset",
            "decoding": "mean of the 313 bins under the plain softmax (temperature 1); "
            f"{AB_UNIT} times 'model_out' is at most {off:.2g} ab units off the bins",
            **_resolution(256, "bilinear, about pixel centers"),
        },
    )


def _from_caffe(weights: Weights, first: str) -> Published:
    """From the Caffe file, whose layers have colorjax's names but for a few.

    `first` is the file's name for conv1_1.
    """
    places = {"conv1_1": first, "head": "conv8_313"}
    for block, (_, depth, _, _) in enumerate(BLOCKS, start=1):
        places[f"norm{block}"] = f"conv{block}_{depth}norm"
    net = {k: x for k, x in weights.tensors.items() if not k.startswith(TARGETS)}
    reader = Reader(weights._replace(tensors=net), "the Caffe net of Zhang et al. 2016")
    width, shapes = _shapes(net[f"{first}.0"], affine=False)
    params, statistics = {}, {}
    for layer, shape in shapes["params"].items():
        key = places.get(layer, layer)
        params[layer] = _conv(reader, layer, shape, f"{key}.0", f"{key}.1")
    for layer, shape in shapes["batch_stats"].items():
        statistics[layer] = reader.caffe_norm(places[layer], shape["mean"].size)
    params["conv1_1"]["kernel"] *= 100  # its input is L - 50, ours a hundredth of it
    reheat, bins = _caffe_decoder(reader)
    reader.finish()
    return Published(
        layout="that of colorization_release_v2 for Caffe",
        license=LICENSE,
        variables={"params": params, "batch_stats": statistics},
        method=dict(name="zhang2016", width=width, temperature=1 / reheat),
        side=224,
        conventions={
            "input": "L - 50; the kernel of conv1_1 holds the factor of 100 to ours",
            "BatchNorm": "without scale and offset",
            "decoding": f"mean of the 313 bins under the softmax of {reheat:g} times "
            f"the logits (temperature 1 / {reheat:g}); {bins}",
            **_resolution(224, "a cubic spline, corner on corner"),
        },
    )


def _caffe_decoder(reader: Reader) -> tuple[float, str]:
    """The factor of the logits, and a remark on the bins.

    The released file lacks these layers, or has zeros there; its users fill them in.
    """
    reheat, remark = REHEAT, "the file leaves the bins to its user"
    if "conv8_313_rh.0" in reader.left:
        factors = reader.take("conv8_313_rh.0", (Q,))
        if not factors[0] > 0 or np.ptp(factors):
            raise reader.refusal("conv8_313_rh.0", "is not one positive factor")
        reheat = round(float(factors[0]), 6)
    if "class8_ab.1" in reader.left and reader.take("class8_ab.1", (2,)).any():
        raise reader.refusal("class8_ab.1", "is not zero")
    if "class8_ab.0" in reader.left:
        colors = reader.take("class8_ab.0", (2, Q, 1, 1))
        if colors.any():
            off = _distance_from_bins(reader, "class8_ab.0", colors)
            remark = f"'class8_ab' is at most {off:.2g} ab units off the bins"
    return reheat, remark


def _shapes(first: np.ndarray, affine: bool) -> tuple[float, dict[str, Any]]:
    """The width of the net whose first kernel is `first`, and its variables' shapes."""
    narrowest = BLOCKS[0][0]
    width = (first.shape or (0,))[0] / narrowest or 1.0
    lightness = jax.ShapeDtypeStruct((1, 32, 32, 1), jnp.float32)
    init = VGGDilated(Q, width, affine).init
    return width, jax.eval_shape(init, jax.random.key(0), lightness)


def _conv(reader, layer, shape, weight, bias) -> dict[str, np.ndarray]:
    """The kernel and the bias of a convolution."""
    return reader.conv(shape["kernel"].shape, weight, bias, layer == "conv8_1")


def _distance_from_bins(reader: Reader, key: str, colors: np.ndarray) -> float:
    """The largest difference, in ab units, between a decoder [2 313 1 1] and the bins.

    Decoding, soft codes and metrics all use the bins in the order of `ab_bins`, so
    another decoder is refused.
    """
    off = float(np.abs(colors[:, :, 0, 0].T - ab_bins()).max())
    if off > NEAR:
        raise reader.refusal(
            key, f"has a color {off:.3g} ab units off the paper's bin of its place"
        )
    return off


def _resolution(side: int, enlarged: str) -> dict[str, str]:
    """The conventions that differ from the authors'."""
    return {
        "size": f"squares of {side} pixels; here a short side of {side}, aspect kept",
        "upsampling": f"{enlarged}; here from every fourth pixel, as in training",
    }
