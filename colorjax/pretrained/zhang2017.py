"""The nets of Zhang et al. 2017 with published weights: `load_zhang2017`.

For PyTorch there are siggraph17-df00044c.pth, and ideepcolor's caffemodel.pth and
pytorch_trained.pth. `zhang2017_caffe.py` reads the files for Caffe.

Source: Zhang, Zhu, Isola, Geng, Lin, Yu, Efros, "Real-Time User-Guided Image
Colorization with Learned Deep Priors", SIGGRAPH 2017; the layers and demonstrations in
github.com/junyanz/interactive-deep-colorization and github.com/richzhang/colorization.
"""

from pathlib import Path

import numpy as np

from colorjax.errors import UserError
from colorjax.nets.siggraph17 import AB_UNIT
from colorjax.nets.vgg_dilated import BLOCKS
from colorjax.pretrained.weights import Published, Reader, Tensors, Weights
from colorjax.pretrained.zhang2017_caffe import (
    FIRST_OF_OUTPUT,
    SIDE,
    SIZE,
    from_caffe,
    variable_shapes,
)
from colorjax.quantize import GRID, ab_bins

MARK = rf"model10\.|{FIRST_OF_OUTPUT}"  # a name begins so in such a file
LICENSE = (
    "BSD 2-Clause in the repository colorization, MIT in ideepcolor; (c) Richard "
    "Zhang, Jun-Yan Zhu and the other authors"
)
SHA256 = "df00044c"  # how that of siggraph17-df00044c.pth begins
MASK_CENTERS = {"caffemodel.pth": 0.0, "pytorch_trained.pth": 0.5}  # by file name
SQUARE = 23  # colors from -110 to 110 along each axis of the head
PLACES = {
    "conv8_1": "model8up.0",
    "conv8_2": "model8.1",
    "conv8_3": "model8.3",
    "norm8": "model8.5",
    "short8": "model3short8.0",
    "conv9_1": "model9up.0",
    "conv9_2": "model9.1",
    "norm9": "model9.3",
    "short9": "model2short9.0",
    "conv10_1": "model10up.0",
    "conv10_2": "model10.1",
    "short10": "model1short10.0",
    "head": "model_class.0",
    "out": "model_out.0",
}
TRANSPOSED = ("conv8_1", "conv9_1", "conv10_1")


def load_zhang2017(weights: Weights, mask_center: float | None = None) -> Published:
    """The net in a file for PyTorch or Caffe, or a narrower one of the same layout.

    `mask_center` is what the net of a PyTorch file subtracts from the mask of the
    hints. It is needed where neither the name nor the hash of the file tells. Raises
    `UserError` if it is missing then or contradicts these, and, naming the tensor,
    where one is missing, unknown, of another shape or not finite.
    """
    if FIRST_OF_OUTPUT in weights.tensors:
        if mask_center:
            raise UserError(f"{weights.path}: nets for Caffe have a mask center of 0")
        return from_caffe(weights)
    return _from_pytorch(weights, _mask_center(weights, mask_center))


def _mask_center(weights: Weights, option: float | None) -> float:
    known = MASK_CENTERS.get(Path(weights.path).name)
    if weights.sha256.startswith(SHA256):
        known = 0.0
    if known is None and option is None:
        raise UserError(
            f"{weights.path}: name and hash do not tell what the net subtracts from "
            "the mask of the hints; give --mask-center 0 for siggraph17-df00044c.pth "
            "or caffemodel.pth, 0.5 for pytorch_trained.pth or a net of the authors' "
            "training code"
        )
    if known is None or option is None:
        return (known or 0.0) if option is None else option
    if option != known:
        raise UserError(f"{weights.path}: the mask center of this file is {known:g}")
    return known


def _from_pytorch(weights: Weights, mask_center: float) -> Published:
    reader = Reader(weights, "the PyTorch net of Zhang et al. 2017")
    places = dict(PLACES)
    for block, (_, depth, _, _) in enumerate(BLOCKS, start=1):
        for layer in range(depth):
            places[f"conv{block}_{layer + 1}"] = f"model{block}.{2 * layer}"
        places[f"norm{block}"] = f"model{block}.{2 * depth}"
    width = reader.shape("model1.0.weight")[0] / BLOCKS[0][0]
    params, statistics = {}, {}
    for layer, shapes in variable_shapes(width, False, "plain")["params"].items():
        key = places[layer]
        if "kernel" not in shapes:
            size = shapes["bias"].size
            params[layer], statistics[layer] = reader.norm(key, size)
            continue
        shape, names = shapes["kernel"].shape, (f"{key}.weight", f"{key}.bias")
        if layer == "head":
            params[layer] = _bins(reader.conv((*shape[:-1], SQUARE**2), *names))
        else:
            params[layer] = reader.conv(shape, *names, layer in TRANSPOSED)
    reader.finish()
    method = dict(name="zhang2017", width=width, mask_center=mask_center)
    return Published(
        layout="that of siggraph17 for PyTorch",
        license=LICENSE,
        variables={"params": params, "batch_stats": statistics},
        method=method | dict(temperature=1.0),
        side=SIDE,
        conventions={
            "input": f"(L - 50) / 100, ab / {AB_UNIT:g}, and the mask of the hints "
            f"minus {mask_center:g}",
            "output": f"{AB_UNIT:g} times tanh",
            "head": f"of {SQUARE}x{SQUARE} colors, of which the 313 bins are kept; "
            "used by output 'classes'",
            **SIZE,
        },
    )


def _bins(head: Tensors) -> Tensors:
    """The part for our bins of a head for the colors of a square, by a, then b."""
    a, b = np.rint(ab_bins().T / GRID).astype(int) + SQUARE // 2
    return {key: x[..., a * SQUARE + b] for key, x in head.items()}
