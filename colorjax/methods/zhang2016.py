"""Colour as classification with class rebalancing, the method of the paper.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016. The net predicts,
on every fourth pixel, a distribution over the 313 bins; its target is the soft code of
the true colour; rare colours weigh more; the annealed mean decodes. `mix` = 1 is the
paper's plain classification, without rebalancing.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.nets.layers import upsample
from colorjax.nets.vgg_dilated import SCALE, VGGDilated
from colorjax.quantize import (
    Q,
    annealed_mean,
    nearest_bin,
    rebalancing_weights,
    soft_cross_entropy,
    soft_encode,
)

COLOURFUL = 5.0  # a picture with no ab value beyond this teaches nothing


def build(
    prior: Float[np.ndarray, "313"],
    *,
    width: float = 1.0,
    mix: float = 0.5,
    neighbors: int = 5,
    sigma: float = 5.0,
    temperature: float = 0.38,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method for a data set whose bins have the frequencies `prior`.

    `width` scales the net's channels, `mix` is lambda of eq. 4, `neighbors` and `sigma`
    (in ab units) make the soft code, `temperature` decodes, `dtype` is what the net
    computes in ("float32" or "bfloat16"). The loss is a sum over pixels per picture.
    """
    if not (0 < mix <= 1 and neighbors >= 1 and sigma > 0 and temperature > 0):
        raise UserError(
            "config.method: mix lies in (0, 1], neighbors is 1 or more, sigma and "
            "temperature are positive"
        )
    net = VGGDilated(Q, width, head_scale=0.1, dtype=jnp.dtype(dtype))
    weights = rebalancing_weights(jnp.asarray(prior, jnp.float32), mix)

    def init(key, examples):
        return {"G": net.init(key, examples["lightness"], train=True)}

    def loss(params, nets, examples, key):
        logits, updates = net.apply(
            {**nets["G"], "params": params},
            examples["lightness"],
            train=True,
            mutable=["batch_stats"],
        )
        target = examples["ab"][:, ::SCALE, ::SCALE]
        indices, code = soft_encode(target, neighbors, sigma)
        entropy = soft_cross_entropy(logits, indices, code)
        counted = colourful(examples)[:, None, None]
        total = (counted * weights[nearest_bin(target)] * entropy).sum()
        pixels = counted.sum() * entropy[0].size
        metrics = {"loss": total / jnp.maximum(pixels, 1)}
        return total / len(counted), ({"G": updates}, metrics)

    def predict(nets, lightness, key):
        logits = net.apply(nets["G"], lightness).astype(jnp.float32)
        return Prediction(upsample(annealed_mean(logits, temperature), SCALE), logits)

    return Method(init, {"G": loss}, predict)


def colourful(examples) -> Float[jnp.ndarray, "b"]:
    """1 for the pictures that count: read, and with some ab value beyond
    `COLOURFUL`."""
    chroma = jnp.abs(examples["ab"]).max(axis=(1, 2, 3))
    return examples["mask"] * (chroma > COLOURFUL)
