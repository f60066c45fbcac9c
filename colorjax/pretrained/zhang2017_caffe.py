"""The Caffe nets of Zhang et al. 2017: `from_caffe`, see `zhang2017.py`.

model.caffemodel takes hints at places, global_model.caffemodel a histogram instead.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.method import GLOBE
from colorjax.nets.siggraph17 import AB_UNIT, Siggraph17
from colorjax.nets.vgg_dilated import BLOCKS
from colorjax.pretrained.weights import Published, Reader, Tensors, Weights

FIRST_OF_OUTPUT = "conv10_ab.0"  # only a Caffe file has it
LICENSE = "MIT, (c) 2017 Jun-Yan Zhu and Richard Zhang"
UNIT, HEAT = 100.0, 2.6  # in the published prototxt, which fills what a file lacks
PLACES: dict[str, str] = {
    "norm8": "conv8_3norm",
    "norm9": "conv9_2norm",
    "short8": "conv3_3_short",
    "short9": "conv2_2_short",
    "short10": "conv1_2_short",
    "globe_norm1": "s_glob_conv1norm",
    "head": "pred_313",
    "out": "conv10_ab",
    **{f"globe{i}": f"glob_conv{i}" for i in range(1, 5)},
    **{f"globe_norm{i}": f"glob_conv{i}norm" for i in range(2, 5)},
    **{f"column{i}": f"conv{i}_pred" for i in range(3, 9)},
    **{
        f"norm{i}": f"conv{i}_{depth}norm" for i, (_, depth, *_) in enumerate(BLOCKS, 1)
    },
}
TRANSPOSED = ("conv8_1", "conv9_1", "conv10_1", *(f"column{i}" for i in range(4, 8)))
FIXED = ("pred_313_us.", "pred_313_rs.", "scale_S.")  # layers that we do otherwise
SIDE = 256
SIZE = {"size": f"squares of {SIDE} pixels; here a short side of {SIDE}, aspect kept"}


def from_caffe(weights: Weights) -> Published:
    """The net in a Caffe file; `load_zhang2017` says what is refused."""
    net = {k: x for k, x in weights.tensors.items() if not k.startswith(FIXED)}
    reader = Reader(weights._replace(tensors=net), "the Caffe net of Zhang et al. 2017")
    globe, head = "glob_conv1.0" in net, "column" if "pred_313.0" in net else "none"
    width = reader.shape("bw_conv1_1.0")[0] / BLOCKS[0][0]
    params, statistics = {}, {}
    layers: dict[str, Any] = variable_shapes(width, globe, head)["params"]
    for layer, shapes in layers.items():
        key = PLACES.get(layer, layer)
        if layer == "conv1_1":
            params[layer] = _first(reader, shapes["kernel"].shape, globe)
        elif "kernel" in shapes:
            names = f"{key}.0", f"{key}.1"
            shape = shapes["kernel"].shape
            params[layer] = reader.conv(shape, *names, layer in TRANSPOSED)
        else:
            size = shapes["bias"].size
            statistics[layer] = reader.caffe_norm(key, size)
            params[layer] = {"scale": np.ones(size, "f4"), "bias": np.zeros(size, "f4")}
    if globe:  # without a saturation, its convolution adds its bias alone
        sizes = params["globe1"]["bias"].shape
        reader.take("s_conv1.0", (*sizes, 2, 1, 1))
        params["globe1"]["bias"] += reader.take("s_conv1.1", sizes)
    unit, heat = _scales(reader)
    reader.finish()
    method = dict(name="zhang2017", width=width, head=head, unit=unit)
    inputs = "L - 50, ab and 110 times the mask of the hints"
    if globe:
        inputs = "L - 50, and the histogram of the image; its saturation is not used"
    logits = f"of the 313 bins, softmax of {heat:g} times the logits"
    return Published(
        layout="that of ideepcolor for Caffe",
        license=LICENSE,
        variables={"params": params, "batch_stats": statistics},
        method=method | dict(hints="globe" if globe else "local", temperature=1 / heat),
        side=SIDE,
        conventions={
            "input": f"{inputs}; the first kernels hold the factors to ours",
            "output": f"{unit:g} times tanh",
            "head": "none" if head == "none" else f"{logits}; used by output 'classes'",
            **SIZE,
        },
    )


@functools.cache
def variable_shapes(width: float, globe: bool, head: Any) -> dict[str, Any]:
    """The shapes of the variables of a net."""
    shapes = (1, 8, 8, 1), (1, 8, 8, 3), (1, GLOBE)
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    init = Siggraph17(width, globe, head).init
    return jax.eval_shape(init, jax.random.key(0), *inputs)


def _first(reader: Reader, shape: tuple[int, ...], globe: bool) -> Tensors:
    """The first convolution, of L and of hints, which Caffe's net adds up."""
    *sides, _, outputs = shape
    first = reader.conv((*sides, 1, outputs), "bw_conv1_1.0", "bw_conv1_1.1")
    kernel, bias = 100 * first["kernel"], first["bias"]
    if globe:
        hints = np.zeros((*sides, 3, outputs), np.float32)
    else:
        second = reader.conv((*sides, 3, outputs), "ab_conv1_1.0", "ab_conv1_1.1")
        hints, bias = AB_UNIT * second["kernel"], bias + second["bias"]
    return {"kernel": np.concatenate([kernel, hints], axis=2), "bias": bias}


def _scales(reader: Reader) -> tuple[float, float]:
    """The ab units of an output of 1, and the factor of the logits.

    Takes the layers, too, that a file may have and our net does otherwise: the picks
    between blocks, and the colors of the bins, which also have the name pred_ab.
    """
    for block, (_, depth, stride, _) in enumerate(BLOCKS, start=1):
        key = f"conv{block}_{depth}norm_ss.0"
        if stride == 2 and key in reader.left:
            size = reader.shape(key)[0]
            if np.any(reader.take(key, (size, 1, 1, 1)) != 1):
                raise reader.refusal(key, "is not a pick of every second pixel")
    if reader.left.get("pred_ab.0", np.ones(1)).ndim > 1:
        for key in ("pred_ab.0", "pred_ab.1"):
            reader.left.pop(key, None)
    scales = {"pred_ab.0": UNIT, "scale_T.0": HEAT}
    for key in scales.keys() & reader.left.keys():
        values = reader.take(key, reader.shape(key))
        if not values[0] > 0 or np.ptp(values):
            raise reader.refusal(key, "is not one positive factor")
        scales[key] = round(float(values[0]), 6)
    return scales["pred_ab.0"], scales["scale_T.0"]
