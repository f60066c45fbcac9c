"""Color by learned queries: DDColor.

Source: Kang et al., "DDColor: Towards Photo-Realistic Image Colorization via Dual
Decoders", ICCV 2023.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._published import predict_in_square
from colorjax.nets.ddcolor import DDColor
from colorjax.nets.layers import apply_eval


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    encoder: Literal["tiny", "large"] = "tiny",
    width: float = 1.0,
    queries: int = 100,
    layers: int = 9,
    square: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The net computes in `dtype`.

    `encoder` is the size of ConvNeXt, `width` scales all channels of the net. `queries`
    and `layers` are those of the color decoder. With `square` an image is squeezed into
    a square for the net, as the authors do; else it keeps its aspect ratio.

    Raises `UserError` where a value is out of range.
    """
    del prior
    if not (width > 0 and queries >= 1 and layers >= 0):
        raise UserError(
            "config.method: width is positive, queries is 1 or more, layers 0 or more"
        )
    net = DDColor(encoder, width, queries, layers, dtype=jnp.dtype(dtype))

    def init(key, examples):
        return {"G": dict(net.init(key, examples["lightness"]))}

    def predict(nets, lightness, key):
        def colorize(lightness):
            return apply_eval(net, nets["G"], lightness)

        if square:
            return Prediction(predict_in_square(colorize, lightness))
        return Prediction(colorize(lightness))

    return Method(init, {}, predict)
