"""Color as classification with class rebalancing, the method of the paper.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016. For every fourth
pixel the net predicts a distribution over the 313 bins. Its target is the soft code of
the true color. Rare colors weigh more. The annealed mean decodes the distribution.
`mix` = 1 is the paper's plain classification, without rebalancing.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from colorjax.errors import UserError
from colorjax.hints.simulate import SIDE, simulate
from colorjax.method import Examples, Method, Prediction, no_hints
from colorjax.nets.efficientnet_lite import (
    CHANNELS,
    STAGES,
    EfficientNetColorizer,
    place_features,
)
from colorjax.nets.layers import apply_eval, apply_train, upsample
from colorjax.nets.vgg_dilated import SCALE, VGGDilated
from colorjax.quantize import (
    Q,
    annealed_mean,
    nearest_bin,
    rebalancing_weights,
    soft_cross_entropy,
    soft_encode,
)

COLORFUL = 5.0  # ab units; an image without a larger ab value is grey


class Model(NamedTuple):
    """What the functions of the method share; see `build` for the options."""

    net: nn.Module
    weights: Float[Array, "313"] | None
    neighbors: int
    sigma: float
    temperature: float
    jitter: float
    hint_count: float
    hint_side: int


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
    hint_count: float = 0.0,
    hint_side: int = SIDE,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method for a data set whose bins have the frequencies `prior`.

    The net "vgg_dilated" is the paper's; `affine` gives its BatchNorm a scale and an
    offset, and `remat` saves memory in training for time. "efficientnet_lite0" has a
    classifier's features; the first `frozen` of its 7 stages are not trained. `width`
    scales the channels, of the latter only the decoder's. The nets compute in `dtype`.

    `mix` is lambda of eq. 4. `neighbors` and `sigma` (ab units) define the soft code.
    `temperature` decodes. The loss is a sum over the pixels of an image. `jitter` of
    the lightness (see `jitter_lightness`) and `dropout` are for small data sets.

    With a `hint_count` above 0, "efficientnet_lite0" takes hints at places, too. The
    hints of training are those of `simulate`, with this count on average and at most
    `hint_side` pixels wide.

    Raises `UserError` where a value is out of range or belongs to the other net.
    """
    if not (0 < mix <= 1 and neighbors >= 1 and sigma > 0 and temperature > 0):
        raise UserError(
            "config.method: mix lies in (0, 1], neighbors is 1 or more, sigma and "
            "temperature are positive"
        )
    if not (jitter >= 0 and 0 <= dropout < 1):
        raise UserError("config.method: jitter is 0 or more, dropout lies in [0, 1)")
    weights = None
    if prior is not None:
        weights = rebalancing_weights(jnp.asarray(prior, jnp.float32), mix)
    own = width, affine, remat, frozen, dropout, hint_count, jnp.dtype(dtype)
    options = neighbors, sigma, temperature, jitter, hint_count, hint_side
    model = Model(_make_net(net, *own), weights, *options)
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        temperature,
        features=FEATURES.get(net),
        inputs=frozenset({"lightness", "local"} if hint_count else {"lightness"}),
    )


def _features(nets, lightness) -> Float[Array, "b h w c"]:
    """`Method.features`, by the encoder."""
    return place_features(nets["G"]["params"]["encoder"], lightness)


FEATURES = {"efficientnet_lite0": _features}  # by net


def _init(model: Model, key, examples):
    keys = {"params": key, "dropout": key}
    planes = _planes(model, examples["lightness"], no_hints(examples["lightness"]))
    return {"G": dict(model.net.init(keys, planes, train=True))}


def _loss(model: Model, params, nets, examples, key):
    if model.weights is None:
        raise ValueError("zhang2016: the loss needs build(prior=...)")
    jitter_key, dropout_key = jax.random.split(key)
    variables = {**nets["G"], "params": params}
    lightness = jitter_lightness(jitter_key, examples["lightness"], model.jitter)
    hints = {}
    if model.hint_count:
        keys = jax.random.split(jax.random.fold_in(key, 2), len(lightness))
        own = model.hint_count, model.hint_side
        hints["local"] = simulate(keys, examples["ab"], *own)
    planes = _planes(model, lightness, hints)
    logits, updates = apply_train(model.net, variables, planes, dropout_key)
    own = model.weights, model.neighbors, model.sigma
    value, mean = rebalanced_loss(logits, examples, *own)
    return value, ({"G": updates}, {"loss": mean})


def _infer(model: Model, nets, inputs, keys):
    planes = _planes(model, inputs["lightness"], inputs)
    logits = apply_eval(model.net, nets["G"], planes)
    ab = upsample(annealed_mean(logits, model.temperature), SCALE)
    return Prediction(ab, logits)


def _planes(model: Model, lightness, hints):
    """What the net sees: L, and hints if it takes them."""
    if not model.hint_count:
        return lightness
    return jnp.concatenate([lightness, hints["local"]], axis=-1)


def _make_net(
    name, width, affine, remat, frozen, dropout, hint_count, dtype
) -> nn.Module:
    """The net from L to logits over the bins."""
    common: dict[str, Any] = dict(head_scale=0.1, dropout=dropout, dtype=dtype)
    if name == "vgg_dilated":
        if frozen or hint_count:
            raise UserError(
                "config.method: frozen and hint_count go with net "
                "'efficientnet_lite0'; zhang2017 is a net like 'vgg_dilated' with hints"
            )
        return VGGDilated(Q, width, affine, remat=remat, **common)
    if affine or remat or not 0 <= frozen <= len(STAGES):
        raise UserError(
            "config.method: affine and remat go with net 'vgg_dilated'; frozen is "
            f"0 to {len(STAGES)}"
        )
    channels = round(CHANNELS * width)
    return EfficientNetColorizer(Q, channels, frozen=frozen, **common)


def rebalanced_loss(
    logits: Float[Array, "b h w 313"],
    examples: Examples,
    weights: Float[Array, "313"],
    neighbors: int,
    sigma: float,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The cross-entropy against soft codes, each pixel with the weight of its bin.

    Images that are unreadable or grey do not count. Returns the sum over all pixels
    divided by the size of the batch (eq. 2), which is the loss, and the mean over the
    pixels that count.
    """
    target = examples["ab"][:, ::SCALE, ::SCALE]
    indices, code = soft_encode(target, neighbors, sigma)
    entropy = soft_cross_entropy(logits, indices, code)
    counted = colorful_mask(examples)[:, None, None]
    total = (counted * weights[nearest_bin(target)] * entropy).sum()
    pixels = counted.sum() * entropy[0].size
    return total / len(counted), total / jnp.maximum(pixels, 1)


def jitter_lightness(
    key: PRNGKeyArray, lightness: Float[Array, "b h w 1"], amount: float
) -> Float[Array, "b h w 1"]:
    """L, in [0, 100], as other exposures of the images would have it.

    For each image, gamma and the contrast about L = 50 are multiplied by up to
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
    """1 for images that teach color, else 0.

    Such an image could be read and has an ab value beyond `COLORFUL`.
    """
    chroma = jnp.abs(examples["ab"]).max(axis=(1, 2, 3))
    return examples["mask"] * (chroma > COLORFUL)
