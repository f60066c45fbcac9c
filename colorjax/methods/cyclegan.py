"""Color learned without pairs: CycleGAN.

Source: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using
Cycle-Consistent Adversarial Networks", ICCV 2017. The images of one set are grey, those
of the other set have colors, and the colors of the grey ones are unknown. Two
generators translate between the sets. Each of two discriminators knows one set. An
image that is translated there and back should not change.

An image of either set is Lab; a grey image has ab = 0. The color generator returns all
of Lab, the grey generator returns L. If both kept L, the way back from color would copy
L, and the cycle would be a loss on pairs of L and ab, which is regression. So the grey
generator must learn what grey images look like. These may differ from the L of the
color images; they may be from old film, for example. After training, the color
generator's ab is the prediction.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._gan import (
    AB_UNIT,
    CRITERIA,
    Criterion,
    GanLoss,
    ImagePool,
    check_side,
    discriminator_loss,
    empty_pool,
    exchange,
    loss_and_mean,
    per_image,
    to_unit,
)
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import apply_train, to_stride
from colorjax.nets.patchgan import PatchGAN
from colorjax.nets.resnet import ResNet

# The sets and the channels of their generators' outputs. Checkpoints and logs spell
# these names so.
SETS = {"colour": 3, "grey": 1}


class CycleGAN(NamedTuple):
    """What the functions of the method share; see `build` for the options.

    `generators` are by the set that they translate to.
    """

    generators: dict[str, ResNet]
    discriminator: PatchGAN
    criterion: Criterion
    cycle: float
    identity: float
    pool: int


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
    """The method; `prior` is not used. The nets compute in `dtype`.

    `width` scales the channels of all four nets. `blocks` is the number of residual
    blocks of each generator; the paper has 9 for 256 pixels and 6 for 128.
    `patch_layers` is 3 for patches of 70 pixels, 2 for 34, 1 for 16. `cycle` is lambda
    of the paper's eq. 3, `identity` the weight of its identity loss in units of lambda.
    Each discriminator sees generated images from a pool of `pool` images.

    The examples have a second set, "other_lightness" and "other_mask" (see the `data`
    section of a config); its "other_ab" is not used.

    Raises `UserError` where a value is out of range.
    """
    del prior
    if not (blocks >= 1 and patch_layers >= 1 and pool >= 1):
        raise UserError("config.method: blocks, patch_layers and pool are 1 or more")
    if not (cycle >= 0 and identity >= 0):
        raise UserError("config.method: cycle and identity are 0 or more")
    generators = {
        name: ResNet(channels, width, blocks, dtype=jnp.dtype(dtype))
        for name, channels in SETS.items()
    }
    critic = PatchGAN(width, patch_layers, dtype=jnp.dtype(dtype))
    model = CycleGAN(generators, critic, CRITERIA[gan_loss], cycle, identity, pool)
    losses = {
        "D_colour": partial(_discriminator_loss, model, "colour", "grey"),
        "D_grey": partial(_discriminator_loss, model, "grey", "colour"),
        "G": partial(_generator_loss, model),
    }

    def check(side: int, unpaired: bool) -> None:
        if not unpaired:
            raise UserError(
                "config.method cyclegan learns from two sets of images: set "
                "data.halves=True, or data.other_root or data.other_name, the grey ones"
            )
        check_side(critic, side)

    return Method(partial(_init, model), losses, partial(_infer, model), check=check)


def _init(model: CycleGAN, key, examples):
    images, _ = _two_sets(examples)
    keys = dict(zip(("G", *SETS), jax.random.split(key, 3), strict=True))
    params = {
        f"to_{name}": model.generators[name].init(key, _padded(images[name]))["params"]
        for name, key in zip(SETS, jax.random.split(keys["G"]), strict=True)
    }
    discriminators = {
        f"D_{name}": {
            **model.discriminator.init(keys[name], images[name]),
            "pool": empty_pool(model.pool, images[name])._asdict(),
        }
        for name in SETS
    }
    return {**discriminators, "G": {"params": params}}


def _discriminator_loss(model: CycleGAN, name, source, params, nets, examples, key):
    """The loss of the discriminator that knows the set `name`.

    It judges images that are translated from the set `source`.
    """
    images, counted = _two_sets(examples)
    fake = _translate(model, nets["G"]["params"], name, images[source])
    before = ImagePool(**nets[f"D_{name}"]["pool"])
    own_key = jax.random.fold_in(key, list(SETS).index(name))
    pool, shown = exchange(
        before, jax.lax.stop_gradient(fake), counted[source], own_key
    )
    loss, mean, accuracy = discriminator_loss(
        model.criterion,
        _discriminate(model, params, images[name]),
        _discriminate(model, params, shown),
        counted[name],
        counted[source],
    )
    metrics = {f"loss_D_{name}": mean, f"accuracy_D_{name}": accuracy}
    return loss, ({f"D_{name}": {"pool": pool._asdict()}}, metrics)


def _generator_loss(model: CycleGAN, params, nets, examples, key):
    """The sum of both generators' adversarial, cycle and identity losses."""
    images, counted = _two_sets(examples)
    total: ArrayLike = 0.0
    metrics: dict[str, ArrayLike] = {"loss": 0.0}
    for name, source in (("colour", "grey"), ("grey", "colour")):
        fake = _translate(model, params, name, images[source])
        logits = _discriminate(model, nets[f"D_{name}"]["params"], fake)
        adversarial = model.criterion.generator(logits.astype(jnp.float32))
        back = _translate(model, params, source, fake)
        same = _translate(model, params, name, images[name])
        terms = {  # weight, errors, and the set whose images they are of
            f"loss_GAN_{name}": (1.0, adversarial, source),
            f"loss_cycle_{source}": (
                model.cycle,
                jnp.abs(back - images[source]),
                source,
            ),
            f"loss_identity_{name}": (
                model.cycle * model.identity,
                jnp.abs(same - images[name]),
                name,
            ),
        }
        for title, (weight, errors, of) in terms.items():
            loss, metrics[title] = loss_and_mean(per_image(errors), counted[of])
            total += weight * loss
            metrics["loss"] += weight * metrics[title]
    return total, ({}, metrics)


def _infer(model: CycleGAN, nets, inputs, keys):
    lightness = inputs["lightness"]
    grey = to_unit(lightness, jnp.zeros((*lightness.shape[:3], 2)))
    output = _translate(model, nets["G"]["params"], "colour", grey)
    return Prediction(AB_UNIT * output[..., 1:])


def _translate(model: CycleGAN, params, name, images):
    """Images [b h w 3] translated to the set `name`."""
    height, width = images.shape[1:3]
    variables = {"params": params[f"to_{name}"]}
    output, _ = apply_train(model.generators[name], variables, _padded(images))
    output = output[:, :height, :width].astype(jnp.float32)
    # Any trace of ab would tell the discriminator that an image is not a grey one.
    return jnp.pad(output, ((0, 0), (0, 0), (0, 0), (0, 3 - SETS[name])))


def _discriminate(model: CycleGAN, params, images):
    return apply_train(model.discriminator, {"params": params}, images)[0]


def _padded(images: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 3"]:
    """Images padded to the stride of the generators."""
    return to_stride(images, ResNet.stride)


def _two_sets(examples):
    """The images of each set as the nets see them, and which of them count."""
    grey = examples["other_lightness"]
    images = {
        "colour": to_unit(examples["lightness"], examples["ab"]),
        "grey": to_unit(grey, jnp.zeros((*grey.shape[:3], 2))),
    }
    return images, {"colour": colorful_mask(examples), "grey": examples["other_mask"]}
