"""Colour learned without pairs: CycleGAN.

Source: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using
Cycle-Consistent Adversarial Networks", ICCV 2017. One set of pictures is grey, another
one has colours, and no grey picture's colours are known. Two generators translate
between the sets, two discriminators know them, and what is translated there and back
should be what it was.

A picture of either set is Lab, a grey one with ab = 0. The colour generator gives all
of Lab, the grey one L. Were L handed on beside the nets, the way back from colour would
be to take L, and the cycle a loss on pairs of L and ab, which is regression. So the
grey generator has to find out what grey pictures look like, and those may be of another
make than the L of the coloured ones: old film, say. After training the colour
generator's ab is taken.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._gan import (
    AB_UNIT,
    CRITERIA,
    GanLoss,
    ImagePool,
    empty_pool,
    exchange,
    judge,
    per_picture,
    to_unit,
    total,
)
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import to_stride
from colorjax.nets.patchgan import PatchGAN, check_patches
from colorjax.nets.resnet import ResNet

SETS = {"colour": 3, "grey": 1}  # and the channels that their generators give


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    width: float = 1.0,
    blocks: int = 9,
    patch_layers: int = 3,
    cycle: float = 10.0,
    identity: float = 0.5,
    pool: int = 50,
    gan_loss: GanLoss = "lsgan",
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; it has no use for `prior`. `dtype` is what the nets compute in.

    `width` scales the channels of all four nets, `blocks` are the residual blocks of
    the generators (the paper has 9 for 256 pixels, 6 for 128), `patch_layers` is 3 for
    patches of 70 pixels, 2 of 34, 1 of 16. `cycle` is lambda of the paper's eq. 3,
    `identity` the weight of its identity loss in units of lambda. Discriminators are
    shown generated pictures from a pool of `pool`.

    Its examples have a second set, "other_lightness" and "other_mask" (see the `data`
    section); the other pictures' colours are not looked at.
    """
    del prior
    if not (blocks >= 1 and patch_layers >= 1 and pool >= 1):
        raise UserError("config.method: blocks, patch_layers and pool are 1 or more")
    if not (cycle >= 0 and identity >= 0):
        raise UserError("config.method: cycle and identity are 0 or more")
    made = {
        name: ResNet(channels, width, blocks, dtype=jnp.dtype(dtype))
        for name, channels in SETS.items()
    }
    critic = PatchGAN(width, patch_layers, dtype=jnp.dtype(dtype))
    criterion = CRITERIA[gan_loss]

    def init(key, examples):
        if "other_lightness" not in examples:
            raise UserError(
                "config.method cyclegan learns from two sets of pictures: set "
                "data.halves=True, or data.other_root or data.other_name, the grey ones"
            )
        pictures, _ = _two_sets(examples)
        check_patches(critic, pictures["colour"])
        keys = dict(zip(("G", *SETS), jax.random.split(key, 3), strict=True))
        params = {
            f"to_{name}": made[name].init(key, _padded(pictures[name]))["params"]
            for name, key in zip(SETS, jax.random.split(keys["G"]), strict=True)
        }
        critics = {
            f"D_{name}": {
                **critic.init(keys[name], pictures[name]),
                "pool": empty_pool(pool, pictures[name])._asdict(),
            }
            for name in SETS
        }
        return {**critics, "G": {"params": params}}

    def translate(params, name, pictures):
        """To the set of that name."""
        height, width = pictures.shape[1:3]
        variables = {"params": params[f"to_{name}"]}
        output = made[name].apply(variables, _padded(pictures), train=True)
        output = output[:, :height, :width].astype(jnp.float32)
        # Any trace of ab would tell the discriminator what is not a grey picture.
        return jnp.pad(output, ((0, 0), (0, 0), (0, 0), (0, 3 - SETS[name])))

    def judged(params, pictures):
        return critic.apply({"params": params}, pictures, train=True)

    def discriminator_loss(name, source):
        def loss(params, nets, examples, key):
            pictures, counted = _two_sets(examples)
            fake = translate(nets["G"]["params"], name, pictures[source])
            before = ImagePool(**nets[f"D_{name}"]["pool"])
            own_key = jax.random.fold_in(key, list(SETS).index(name))
            after, shown = exchange(
                before, jax.lax.stop_gradient(fake), counted[source], own_key
            )
            value, mean, accuracy = judge(
                criterion,
                judged(params, pictures[name]),
                judged(params, shown),
                counted[name],
                counted[source],
            )
            metrics = {f"loss_D_{name}": mean, f"accuracy_D_{name}": accuracy}
            return value, ({f"D_{name}": {"pool": after._asdict()}}, metrics)

        return loss

    def loss_g(params, nets, examples, key):
        pictures, counted = _two_sets(examples)
        value, metrics = 0.0, {"loss": 0.0}
        for name, source in (("colour", "grey"), ("grey", "colour")):
            fake = translate(params, name, pictures[source])
            logits = judged(nets[f"D_{name}"]["params"], fake).astype(jnp.float32)
            terms = {
                f"loss_GAN_{name}": (1.0, criterion.generator(logits), source),
                f"loss_cycle_{source}": (
                    cycle,
                    jnp.abs(translate(params, source, fake) - pictures[source]),
                    source,
                ),
                f"loss_identity_{name}": (
                    cycle * identity,
                    jnp.abs(translate(params, name, pictures[name]) - pictures[name]),
                    name,
                ),
            }
            for title, (weight, errors, of) in terms.items():
                loss, metrics[title] = total(per_picture(errors), counted[of])
                value += weight * loss
                metrics["loss"] += weight * metrics[title]
        return value, ({}, metrics)

    def predict(nets, lightness, key):
        grey = to_unit(lightness, jnp.zeros((*lightness.shape[:3], 2)))
        output = translate(nets["G"]["params"], "colour", grey)
        return Prediction(AB_UNIT * output[..., 1:])

    losses = {
        "D_colour": discriminator_loss("colour", "grey"),
        "D_grey": discriminator_loss("grey", "colour"),
        "G": loss_g,
    }
    return Method(init, losses, predict)


def _padded(pictures: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 3"]:
    """To the stride of the generators."""
    return to_stride(pictures, ResNet.stride)


def _two_sets(examples):
    """Pictures of each set as the nets see them, and which of them count."""
    grey = examples["other_lightness"]
    pictures = {
        "colour": to_unit(examples["lightness"], examples["ab"]),
        "grey": to_unit(grey, jnp.zeros((*grey.shape[:3], 2))),
    }
    return pictures, {"colour": colorful_mask(examples), "grey": examples["other_mask"]}
