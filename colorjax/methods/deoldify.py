"""Color by DeOldify, whose published weights predict; there is no training.

Source: Antic, github.com/jantic/DeOldify.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._published import predict_in_square
from colorjax.nets.deoldify import DeOldify
from colorjax.nets.layers import apply_eval


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    form: Literal["deep", "wide"] = "deep",
    width: float = 1.0,
    square: bool = True,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The net computes in `dtype`.

    `form` is "deep" (artistic) or "wide" (stable, video), and `width` scales all
    channels. With `square` an image is squeezed into a square for the net, as the
    author does; else it keeps its aspect ratio.

    Raises `UserError` where a value is out of range.
    """
    del prior
    if not width > 0:
        raise UserError(f"config.method.width is {width}, which must be positive")
    net = DeOldify(form, width, jnp.dtype(dtype))

    def init(key, examples):
        return {"G": dict(net.init(key, examples["lightness"]))}

    def infer(nets, inputs, keys):
        def predict(lightness):
            return apply_eval(net, nets["G"], lightness)

        lightness = inputs["lightness"]
        if square:
            return Prediction(predict_in_square(predict, lightness))
        return Prediction(predict(lightness))

    def check(side: int, unpaired: bool) -> None:
        raise UserError(
            "config.method deoldify only predicts, with published weights; to train, "
            "name another method, such as ddcolor"
        )

    return Method(init, {}, infer, check=check, options=frozenset({"square"}))
