"""Color by learned queries: DDColor.

Source: Kang et al., "DDColor: Towards Photo-Realistic Image Colorization via Dual
Decoders", ICCV 2023, section 3.4, and the training options in the authors' code. The
losses are those of ab, of the features of VGG-16, of a discriminator of sRGB, and of
colorfulness.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.color import lab_to_rgb
from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._gan import (
    CRITERIA,
    discriminator_loss,
    loss_and_mean,
    per_image,
)
from colorjax.methods._published import predict_in_square
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.attention_discriminator import AttentionDiscriminator
from colorjax.nets.ddcolor import MEAN, STD, DDColor
from colorjax.nets.layers import apply_eval, apply_train
from colorjax.nets.vgg16 import BLOCKS, VGG16Features
from colorjax.pretrained.vgg16 import load_features

LEVELS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # weights of the features, fine to coarse
LUMA = (0.2989, 0.587, 0.114)  # of the grey towards which colors are enhanced
SUMMED = 4  # images over which the authors sum colorfulness: those of one device
CRITERION = CRITERIA["vanilla"]


class Model(NamedTuple):
    """What the functions of the method share; see `build` for the options.

    `weights` are those of the terms of the generator's loss.
    """

    generator: DDColor
    discriminator: AttentionDiscriminator
    weights: dict[str, float]
    vgg: str
    enhance: float
    square: bool


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    encoder: Literal["tiny", "large"] = "tiny",
    width: float = 1.0,
    queries: int = 100,
    layers: int = 9,
    spectral: bool = False,
    square: bool = False,
    l1: float = 0.1,
    perceptual: float = 5.0,
    vgg: str = "",
    gan: float = 1.0,
    critic_blocks: int = 3,
    colorfulness: float = 0.5,
    enhance: float = 1.2,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The nets compute in `dtype`.

    `encoder` is the size of ConvNeXt, `width` scales all channels of both nets.
    `queries` and `layers` are those of the color decoder. `spectral` normalizes the
    pixel decoder, as the authors train it. With `square` an image is squeezed into a
    square for the net, as the authors show it; else it keeps its aspect ratio.

    `l1`, `perceptual`, `gan` and `colorfulness` weigh the terms of the loss. The
    perceptual term needs VGG-16: `vgg` is torchvision's file, with BatchNorm as the
    authors have it or without; by default it is the one of the extra `lpips`, without.
    `critic_blocks` is 3 for images of 256 pixels. `enhance` multiplies the chroma of
    the images that the perceptual term and the discriminator take to be real.

    Raises `UserError` where a value is out of range.
    """
    del prior
    if not (width > 0 and queries >= 1 and layers >= 0 and critic_blocks >= 1):
        raise UserError(
            "config.method: width is positive, queries and critic_blocks are 1 or "
            "more, layers is 0 or more"
        )
    weights = dict(l1=l1, perceptual=perceptual, gan=gan, colorfulness=colorfulness)
    if min(weights.values()) < 0 or enhance < 0:
        raise UserError(f"config.method: {', '.join(weights)}, enhance are 0 or more")
    kind = jnp.dtype(dtype)
    model = Model(
        DDColor(encoder, width, queries, layers, spectral, kind),
        AttentionDiscriminator(width, critic_blocks, kind),
        weights,
        vgg,
        enhance,
        square,
    )
    return _method(model)


def _method(model: Model) -> Method:
    losses = {
        "D": partial(_discriminator_loss, model),
        "G": partial(_generator_loss, model),
    }
    return Method(
        partial(_init, model),
        losses,
        partial(_infer, model),
        check=partial(_check, model.discriminator),
        options=frozenset({"square"}),
    )


def _check(discriminator: AttentionDiscriminator, side: int, unpaired: bool) -> None:
    if side < discriminator.smallest:
        raise UserError(
            f"config.method.critic_blocks {discriminator.blocks}: images of {side} "
            "pixels (data.crop) are too small; the discriminator needs "
            f"{discriminator.smallest}, or fewer blocks"
        )


def _init(model: Model, key, examples):
    g_key, d_key = jax.random.split(key)
    nets: dict[str, Any] = {
        "D": model.discriminator.init(d_key, examples["rgb"], train=True),
        "G": model.generator.init(g_key, examples["lightness"], train=True),
    }
    if model.weights["perceptual"]:  # never trained, and no net of predictions
        features = load_features(model.vgg, "config.method.perceptual")
        nets["VGG"] = jax.tree.map(jnp.asarray, features)
    return nets


def _infer(model: Model, nets, inputs, keys):
    def predict(lightness):
        return apply_eval(model.generator, nets["G"], lightness)

    lightness = inputs["lightness"]
    if model.square:
        return Prediction(predict_in_square(predict, lightness))
    return Prediction(predict(lightness))


def _discriminator_loss(model: Model, params, nets, examples, key):
    ab, _ = _generate(model, nets["G"]["params"], nets, examples)
    fake = jax.lax.stop_gradient(_to_rgb(examples, ab))
    counted = colorful_mask(examples)
    on_real, updates = _discriminate(model, params, nets, _real(model, examples))
    updated = {**nets, "D": {**nets["D"], **updates}}
    on_fake, updates = _discriminate(model, params, updated, fake)
    loss, mean, accuracy = discriminator_loss(
        CRITERION, on_real, on_fake, counted, counted
    )
    return loss, ({"D": updates}, {"loss_D": mean, "accuracy_D": accuracy})


def _generator_loss(model: Model, params, nets, examples, key):
    ab, updates = _generate(model, params, nets, examples)
    rgb = _to_rgb(examples, ab)
    terms = {"l1": per_image(jnp.abs(ab - examples["ab"]))}
    if model.weights["perceptual"]:
        real = _real(model, examples)
        terms["perceptual"] = _distance(nets["VGG"], rgb, real)
    if model.weights["gan"]:
        logits, _ = _discriminate(model, nets["D"]["params"], nets, rgb)
        terms["gan"] = per_image(CRITERION.generator(logits.astype(jnp.float32)))
    terms["colorfulness"] = SUMMED * (1 - rgb_colorfulness(rgb))
    counted = colorful_mask(examples)
    total, metrics = jnp.zeros(()), {"loss": jnp.zeros(())}
    for name, values in terms.items():
        loss, metrics[f"loss_{name}"] = loss_and_mean(values, counted)
        total += model.weights[name] * loss
        metrics["loss"] += model.weights[name] * metrics[f"loss_{name}"]
    return total, ({"G": updates}, metrics)


def _generate(model: Model, params, nets, examples):
    """ab in training mode and the updated statistics.

    Both losses compute it in the same way, so XLA computes it once.
    """
    variables = {**nets["G"], "params": params}
    return apply_train(model.generator, variables, examples["lightness"])


def _discriminate(model: Model, params, nets, rgb):
    variables = {**nets["D"], "params": params}
    return apply_train(model.discriminator, variables, rgb)


def _to_rgb(examples, ab):
    return lab_to_rgb(jnp.concatenate([examples["lightness"], ab], axis=-1))


def _real(model: Model, examples):
    """The original images in sRGB, with stronger colors."""
    luma = (examples["rgb"] * jnp.array(LUMA)).sum(-1, keepdims=True)
    return jnp.clip(luma + model.enhance * (examples["rgb"] - luma), 0, 1)


def _distance(variables, rgb, real) -> Float[Array, "b"]:
    """The weighted L1 distance of the features of VGG-16 of two sRGB images."""
    width = variables["params"]["conv1"]["bias"].size / BLOCKS[0][0]
    net = VGG16Features("batch_stats" in variables, width)

    def features(rgb) -> Any:
        return net.apply(variables, (rgb - jnp.array(MEAN)) / jnp.array(STD))

    distances = [
        weight * per_image(jnp.abs(x - y))
        for weight, x, y in zip(LEVELS, features(rgb), features(real), strict=True)
    ]
    return jnp.stack(distances).sum(axis=0)


def rgb_colorfulness(rgb: Float[Array, "b h w 3"]) -> Float[Array, "b"]:
    """The colorfulness of each image, sRGB in [0, 1], with absolute differences.

    Source: Hasler and Suesstrunk, 2003; the authors of DDColor take the absolute
    differences of the channels, and the unbiased deviation.
    """
    red, green, blue = (rgb[..., i].reshape(len(rgb), -1) for i in range(3))
    differences = jnp.stack([jnp.abs(red - green), jnp.abs((red + green) / 2 - blue)])
    variance = differences.var(axis=-1, ddof=1).sum(0)
    mean = jnp.square(differences.mean(axis=-1)).sum(0)
    # A grey image has no gradient without the summand.
    return jnp.sqrt(variance + 1e-12) + 0.3 * jnp.sqrt(mean + 1e-12)
