"""Color by a conditional adversarial network: pix2pix.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017. The discriminator learns to tell patches of original
images from patches of colorized ones. The generator learns to be taken for real while
its ab stays near the original. The discriminator sees Lab, so L is its condition.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._gan import (
    AB_UNIT,
    CRITERIA,
    Criterion,
    GanLoss,
    check_side,
    discriminator_loss,
    loss_and_mean,
    per_image,
    r1_penalty,
    to_unit,
)
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import apply_eval, apply_train, to_stride, upsample
from colorjax.nets.patchgan import PatchGAN
from colorjax.nets.unet import UNet
from colorjax.nets.vgg_dilated import SCALE, VGGDilated
from colorjax.quantize import Q, annealed_mean


class Generator(NamedTuple):
    """L to ab, as functions.

    `init(key, lightness)` returns the variables. `apply(variables, lightness, key)`
    returns a `Prediction` and the updated statistics, in training mode unless `key` is
    None. `sharp(ab)` returns true ab as sharp as the generator can produce it, which is
    the target.
    """

    init: Callable
    apply: Callable
    sharp: Callable


class Pix2Pix(NamedTuple):
    """What the functions of the method share; see `build` for the options."""

    generator: Generator
    discriminator: PatchGAN
    criterion: Criterion
    l1: float
    r1: float


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    generator: Literal["unet", "vgg_dilated"] = "unet",
    width: float = 1.0,
    depth: int = 8,
    norm: Literal["instance", "batch", "none"] = "instance",
    dropout: float = 0.5,
    affine: bool = False,
    temperature: float = 0.38,
    patch_layers: int = 3,
    l1: float = 100.0,
    gan_loss: GanLoss = "vanilla",
    spectral: bool = False,
    r1: float = 0.0,
    ema: float = 0.0,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The nets compute in `dtype`.

    The generator "unet" is the paper's. It has `depth` halvings, `norm` (which is the
    discriminator's, too) and `dropout`, its noise, in training only. "vgg_dilated" is
    the net of zhang2016, with its `affine` and `temperature`; its color is the annealed
    mean. With `init_from` a run of zhang2016 this fine-tunes it.

    `width` scales the channels of both nets. `patch_layers` is 1 for patches of 16
    pixels, 2 for 34, 3 for 70. `l1` is the weight of the distance to the true ab.

    Options that are newer than the paper, all off by default: `gan_loss` "lsgan" (Mao
    et al., 2017) or "hinge" (Lim and Ye, 2017); `spectral` normalization of the
    discriminator (Miyato et al., 2018); `r1`, the gamma of its gradient penalty
    (Mescheder et al., 2018); `ema`, the decay of the average of the generator's
    parameters that predicts (Karras et al., 2018).

    Raises `UserError` where a value is out of range.
    """
    del prior
    if not (depth >= 2 and patch_layers >= 1 and temperature > 0):
        raise UserError(
            "config.method: depth is 2 or more, patch_layers 1 or more, temperature is "
            "positive"
        )
    if not (0 <= dropout < 1 and 0 <= ema < 1 and l1 >= 0 and r1 >= 0):
        raise UserError(
            "config.method: dropout and ema lie in [0, 1), l1 and r1 are 0 or more"
        )
    if generator == "unet":
        net = _unet(UNet(2, width, depth, norm, dropout, jnp.dtype(dtype)))
    else:
        vgg = VGGDilated(Q, width, affine, head_scale=0.1, dtype=jnp.dtype(dtype))
        net = _vgg_dilated(vgg, temperature)
    critic = PatchGAN(width, patch_layers, norm, spectral, jnp.dtype(dtype))
    model = Pix2Pix(net, critic, CRITERIA[gan_loss], l1, r1)
    return _method(model, temperature, {"G": ema} if ema else {})


def _method(model: Pix2Pix, temperature: float, ema: dict[str, float]) -> Method:
    losses = {
        "D": partial(_discriminator_loss, model),
        "G": partial(_generator_loss, model),
    }
    return Method(
        partial(_init, model),
        losses,
        partial(_infer, model),
        temperature,
        check=lambda side, unpaired: check_side(model.discriminator, side),
        ema=ema,
    )


def _init(model: Pix2Pix, key, examples):
    lightness, ab = examples["lightness"], examples["ab"]
    g_key, d_key = jax.random.split(key)
    g = model.generator.init(g_key, lightness)
    d = model.discriminator.init(d_key, to_unit(lightness, ab), train=True)
    return {"D": d, "G": g}


def _discriminator_loss(model: Pix2Pix, params, nets, examples, key):
    ab, _ = _generate(model, nets["G"]["params"], nets, examples, key)
    fake = jax.lax.stop_gradient(to_unit(examples["lightness"], ab))
    real = to_unit(examples["lightness"], model.generator.sharp(examples["ab"]))
    counted = colorful_mask(examples)
    on_real, updates = _discriminate(model, params, nets, real)
    updated = {**nets, "D": {**nets["D"], **updates}}
    on_fake, updates = _discriminate(model, params, updated, fake)
    loss, mean, accuracy = discriminator_loss(
        model.criterion, on_real, on_fake, counted, counted
    )
    if model.r1:
        slopes = r1_penalty(lambda x: _discriminate(model, params, nets, x)[0], real)
        loss += model.r1 / 2 * loss_and_mean(slopes, counted)[0]
    return loss, ({"D": updates}, {"loss_D": mean, "accuracy_D": accuracy})


def _generator_loss(model: Pix2Pix, params, nets, examples, key):
    ab, updates = _generate(model, params, nets, examples, key)
    fake = to_unit(examples["lightness"], ab)
    logits, _ = _discriminate(model, nets["D"]["params"], nets, fake)
    adversarial = per_image(model.criterion.generator(logits.astype(jnp.float32)))
    target = model.generator.sharp(examples["ab"])
    distance = per_image(jnp.abs(ab - target) / AB_UNIT)
    counted = colorful_mask(examples)
    loss, mean = loss_and_mean(adversarial + model.l1 * distance, counted)
    metrics = {
        "loss": mean,
        "loss_GAN": loss_and_mean(adversarial, counted)[1],
        "loss_L1": loss_and_mean(distance, counted)[1],
    }
    return loss, ({"G": updates}, metrics)


def _infer(model: Pix2Pix, nets, inputs, keys):
    return model.generator.apply(nets["G"], inputs["lightness"], None)[0]


def _generate(model: Pix2Pix, params, nets, examples, key):
    """The generated ab in training mode, and the updated statistics.

    Both losses compute it in the same way, so XLA computes it once.
    """
    variables = {**nets["G"], "params": params}
    prediction, updates = model.generator.apply(variables, examples["lightness"], key)
    return prediction.ab, updates


def _discriminate(model: Pix2Pix, params, nets, images):
    variables = {**nets["D"], "params": params}
    return apply_train(model.discriminator, variables, images)


def _unet(net: UNet) -> Generator:
    def enter(lightness):
        return to_stride(lightness / 50 - 1, net.stride)

    def init(key, lightness):
        return net.init({"params": key, "dropout": key}, enter(lightness), train=True)

    def apply(variables, lightness, key):
        height, width = lightness.shape[1:3]
        output, updates = _apply(net, variables, enter(lightness), key)
        return Prediction(AB_UNIT * output[:, :height, :width]), updates

    return Generator(init, apply, lambda ab: ab)


def _vgg_dilated(net: VGGDilated, temperature: float) -> Generator:
    def apply(variables, lightness, key):
        logits, updates = _apply(net, variables, lightness, key)
        ab = upsample(annealed_mean(logits, temperature), SCALE)
        return Prediction(ab, logits), updates

    def sharp(ab):
        return upsample(ab[:, ::SCALE, ::SCALE], SCALE)

    return Generator(partial(net.init, train=True), apply, sharp)


def _apply(net, variables, x, key):
    """The output in float32 and the updated statistics; without key, to evaluate."""
    if key is None:
        return apply_eval(net, variables, x), {}
    output, updates = apply_train(net, variables, x, key)
    return output.astype(jnp.float32), updates
