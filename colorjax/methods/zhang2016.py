"""Colour as classification with class rebalancing, the method of the paper.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016. The net predicts,
on every fourth pixel, a distribution over the 313 bins; its target is the soft code of
the true colour; rare colours weigh more; the annealed mean decodes. `mix` = 1 is the
paper's plain classification, without rebalancing.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.nets.efficientnet_lite import CHANNELS, STAGES, EfficientNetColorizer
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

COLORFUL = 5.0  # a picture with no ab value beyond this teaches nothing


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    net: Literal["vgg_dilated", "efficientnet_lite0"] = "vgg_dilated",
    width: float = 1.0,
    affine: bool = False,
    mix: float = 0.5,
    neighbors: int = 5,
    sigma: float = 5.0,
    temperature: float = 0.38,
    jitter: float = 0.0,
    dropout: float = 0.0,
    remat: bool = False,
    frozen: int = 0,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method for a data set whose bins have the frequencies `prior`.

    Only the loss needs the prior; without one it raises `ValueError`.

    `net` is the paper's, or one that starts from a classifier's features
    (`nets.efficientnet_lite`), of whose encoder the first `frozen` of 7 stages are not
    trained. `width` scales the channels, of the latter's decoder only; of the paper's
    net `affine` gives BatchNorm a scale and an offset, and `remat` saves memory for
    time in training. `mix` is lambda of eq. 4, `neighbors` and `sigma` (in ab units)
    make the soft code, `temperature` decodes, `dtype` is what the net computes in
    ("float32" or "bfloat16"). The loss is a sum over pixels per picture.
    Against overfitting, which the paper's 1.3 million pictures do not know: `jitter` of
    the lightness (see `jitter_lightness`) and `dropout`.
    """
    if not (0 < mix <= 1 and neighbors >= 1 and sigma > 0 and temperature > 0):
        raise UserError(
            "config.method: mix lies in (0, 1], neighbors is 1 or more, sigma and "
            "temperature are positive"
        )
    if not (jitter >= 0 and 0 <= dropout < 1):
        raise UserError("config.method: jitter is 0 or more, dropout lies in [0, 1)")
    common = dict(head_scale=0.1, dropout=dropout, dtype=jnp.dtype(dtype))
    if net == "vgg_dilated":
        if frozen:
            raise UserError("config.method.frozen goes with net 'efficientnet_lite0'")
        model = VGGDilated(Q, width, affine, remat=remat, **common)
    else:
        if affine or remat or not 0 <= frozen <= len(STAGES):
            raise UserError(
                "config.method: affine and remat go with net 'vgg_dilated'; frozen is "
                f"0 to {len(STAGES)}"
            )
        channels = round(CHANNELS * width)
        model = EfficientNetColorizer(Q, channels, frozen=frozen, **common)
    weights = None
    if prior is not None:
        weights = rebalancing_weights(jnp.asarray(prior, jnp.float32), mix)

    def init(key, examples):
        keys = {"params": key, "dropout": key}
        return {"G": model.init(keys, examples["lightness"], train=True)}

    def loss(params, nets, examples, key):
        if weights is None:
            raise ValueError("zhang2016: the loss needs build(prior=...)")
        jitter_key, dropout_key = jax.random.split(key)
        logits, updates = model.apply(
            {**nets["G"], "params": params},
            jitter_lightness(jitter_key, examples["lightness"], jitter),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": dropout_key},
        )
        target = examples["ab"][:, ::SCALE, ::SCALE]
        indices, code = soft_encode(target, neighbors, sigma)
        entropy = soft_cross_entropy(logits, indices, code)
        counted = colorful_mask(examples)[:, None, None]
        total = (counted * weights[nearest_bin(target)] * entropy).sum()
        pixels = counted.sum() * entropy[0].size
        metrics = {"loss": total / jnp.maximum(pixels, 1)}
        return total / len(counted), ({"G": updates}, metrics)

    def predict(nets, lightness, key):
        logits = model.apply(nets["G"], lightness).astype(jnp.float32)
        return Prediction(upsample(annealed_mean(logits, temperature), SCALE), logits)

    return Method(init, {"G": loss}, predict, temperature)


def jitter_lightness(
    key: PRNGKeyArray, lightness: Float[Array, "b h w 1"], amount: float
) -> Float[Array, "b h w 1"]:
    """L as another exposure would have it; the colours stay.

    Of each picture gamma and contrast about L = 50 are multiplied by up to
    exp(+-`amount`), then L is shifted by up to 20 `amount`.
    """
    if not amount:
        return lightness
    shape = (3, len(lightness), 1, 1, 1)
    gamma, contrast, shift = jax.random.uniform(
        key, shape, minval=-amount, maxval=amount
    )
    curved = 100 * jnp.power(jnp.clip(lightness, 0, 100) / 100, jnp.exp(gamma))
    return 50 + (curved - 50) * jnp.exp(contrast) + 20 * shift


def colorful_mask(examples) -> Float[Array, "b"]:
    """1 for the pictures that count: read, and with some ab value beyond
    `COLORFUL`."""
    chroma = jnp.abs(examples["ab"]).max(axis=(1, 2, 3))
    return examples["mask"] * (chroma > COLORFUL)
