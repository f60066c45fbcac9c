"""Colour by a conditional adversarial net: pix2pix.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017. A discriminator learns to tell patches of original
pictures from patches of coloured ones, and the generator to be taken for real while it
stays near the original's ab. The discriminator sees Lab, so L is its condition.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._gan import (
    AB_UNIT,
    CRITERIA,
    GanLoss,
    judge,
    per_picture,
    r1_penalty,
    to_unit,
    total,
)
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import to_stride, upsample
from colorjax.nets.patchgan import PatchGAN, check_patches
from colorjax.nets.unet import UNet
from colorjax.nets.vgg_dilated import SCALE, VGGDilated
from colorjax.quantize import Q, annealed_mean


class Generator(NamedTuple):
    """L to ab.

    `apply(variables, lightness, key)` gives a `Prediction` and the statistics after it,
    in training mode unless `key` is None; `sharp(ab)` is true ab as sharp as the
    generator can have it, which is what it is judged beside.
    """

    init: Callable
    apply: Callable
    sharp: Callable


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
    """The method; it has no use for `prior`. `dtype` is what the nets compute in.

    `generator` "unet" is the paper's, of `depth` halvings, `norm` (of the discriminator
    too) and `dropout`, its noise, which is left out after training. "vgg_dilated" is
    the net of zhang2016, with its `affine` and `temperature`, and its annealed mean as
    colour: with `init_from` such a run, this is its fine-tuning. `width` scales the
    channels of generator and discriminator; `patch_layers` is 1 for patches of 16
    pixels, 2 of 34, 3 of 70; `l1` weighs the distance to the true ab.

    What came after the paper is off unless asked for: `gan_loss` "lsgan" (Mao et al.,
    2017) or "hinge" (Lim and Ye, 2017); `spectral` normalisation of the discriminator
    (Miyato et al., 2018); `r1`, the gamma of its gradient penalty (Mescheder et al.,
    2018); `ema`, the decay of the mean of the generator's parameters that predicts
    (Karras et al., 2018).
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
        made = _unet(UNet(2, width, depth, norm, dropout, jnp.dtype(dtype)))
    else:
        vgg = VGGDilated(Q, width, affine, head_scale=0.1, dtype=jnp.dtype(dtype))
        made = _vgg_dilated(vgg, temperature)
    critic = PatchGAN(width, patch_layers, norm, spectral, jnp.dtype(dtype))
    criterion = CRITERIA[gan_loss]

    def init(key, examples):
        lightness, ab = examples["lightness"], examples["ab"]
        check_patches(critic, lightness)
        g_key, d_key = jax.random.split(key)
        g = made.init(g_key, lightness)
        if ema:
            g = {**g, "ema": optax.ema(ema).init(g["params"])._asdict()}
        return {"D": critic.init(d_key, to_unit(lightness, ab), train=True), "G": g}

    def generate(params, nets, examples, key):
        """The coloured pictures, in training; the same, to XLA, in both losses."""
        variables = {**nets["G"], "params": params}
        prediction, updates = made.apply(variables, examples["lightness"], key)
        return prediction.ab, updates

    def discriminate(params, nets, pictures):
        variables = {**nets["D"], "params": params}
        return critic.apply(variables, pictures, train=True, mutable=["batch_stats"])

    def loss_d(params, nets, examples, key):
        ab, _ = generate(nets["G"]["params"], nets, examples, key)
        fake = jax.lax.stop_gradient(to_unit(examples["lightness"], ab))
        real = to_unit(examples["lightness"], made.sharp(examples["ab"]))
        counted = colorful_mask(examples)
        on_real, updates = discriminate(params, nets, real)
        then = {**nets, "D": {**nets["D"], **updates}}
        on_fake, updates = discriminate(params, then, fake)
        loss, mean, accuracy = judge(criterion, on_real, on_fake, counted, counted)
        if r1:
            slopes = r1_penalty(lambda x: discriminate(params, nets, x)[0], real)
            loss += r1 / 2 * total(slopes, counted)[0]
        return loss, ({"D": updates}, {"loss_D": mean, "accuracy_D": accuracy})

    def loss_g(params, nets, examples, key):
        ab, updates = generate(params, nets, examples, key)
        fake = to_unit(examples["lightness"], ab)
        judged, _ = discriminate(nets["D"]["params"], nets, fake)
        taken = per_picture(criterion.generator(judged.astype(jnp.float32)))
        away = per_picture(jnp.abs(ab - made.sharp(examples["ab"])) / AB_UNIT)
        counted = colorful_mask(examples)
        loss, mean = total(taken + l1 * away, counted)
        metrics = {
            "loss": mean,
            "loss_GAN": total(taken, counted)[1],
            "loss_L1": total(away, counted)[1],
        }
        if ema:  # one step behind: the parameters of this step are not there yet
            before = optax.EmaState(**nets["G"]["ema"])
            _, after = optax.ema(ema).update(nets["G"]["params"], before)
            updates = {**updates, "ema": after._asdict()}
        return loss, ({"G": updates}, metrics)

    def predict(nets, lightness, key):
        variables = dict(nets["G"])
        if ema:
            mean = variables.pop("ema")
            variables["params"] = _debiased(mean, ema, variables["params"])
        return made.apply(variables, lightness, None)[0]

    return Method(init, {"D": loss_d, "G": loss_g}, predict, temperature)


def _unet(net: UNet) -> Generator:
    def enter(lightness):
        return to_stride(lightness / 50 - 1, net.stride)

    def init(key, lightness):
        return net.init({"params": key, "dropout": key}, enter(lightness), train=True)

    def apply(variables, lightness, key):
        height, width = lightness.shape[1:3]
        output, updates = _apply(net, variables, enter(lightness), key)
        ab = AB_UNIT * output[:, :height, :width].astype(jnp.float32)
        return Prediction(ab), updates

    return Generator(init, apply, lambda ab: ab)


def _vgg_dilated(net: VGGDilated, temperature: float) -> Generator:
    def init(key, lightness):
        return net.init(key, lightness, train=True)

    def apply(variables, lightness, key):
        logits, updates = _apply(net, variables, lightness, key)
        logits = logits.astype(jnp.float32)
        ab = upsample(annealed_mean(logits, temperature), SCALE)
        return Prediction(ab, logits), updates

    return Generator(init, apply, lambda ab: upsample(ab[:, ::SCALE, ::SCALE], SCALE))


def _apply(net, variables, x, key):
    """In training mode unless `key` is None; the statistics that it changed."""
    if key is None:
        return net.apply(variables, x), {}
    return net.apply(
        variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key}
    )


def _debiased(mean, decay, params):
    """The mean of all parameters so far, or `params` where there was no step."""
    share = 1 - decay ** mean["count"]

    def choose(average, param):
        some = average / jnp.where(share > 0, share, 1)
        return jnp.where(share > 0, some, param)

    return jax.tree.map(choose, mean["ema"], params)
