"""What the methods by diffusion share: a denoiser of L's colors, `Denoising`.

`make_denoising` reads the options of a config. `init`, `loss` and `sample_ab` are the
functions of a method, for what the net sees (`Seen`).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.color import rgb_to_lab
from colorjax.config import check_section
from colorjax.errors import UserError
from colorjax.methods._chroma import join_edges
from colorjax.methods._diffusion import (
    SCALES,
    Denoise,
    Level,
    Noise,
    denoiser,
    karras_levels,
    lognormal_noise,
    palette_levels,
    palette_noise,
    training_pair,
)
from colorjax.methods._encoder import STRIDE, Encoder
from colorjax.methods._gan import loss_and_mean, per_image
from colorjax.methods._samplers import SAMPLERS, sample
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.cross_attention import Conditions
from colorjax.nets.diffusion_unet import DiffusionUNet
from colorjax.nets.hint_planes import hint_planes
from colorjax.nets.layers import shrink, space_to_depth, to_stride, upsample
from colorjax.nets.patch_transformer import PatchTransformer
from colorjax.nets.siggraph17 import AB_UNIT as HINT_UNIT
from colorjax.nets.vgg_dilated import SCALE

AB_UNIT = 13.0  # ab units that are 1 in the net's images: the standard deviation of ab


class Denoising(NamedTuple):
    """What the functions of a method share; `palette.build` explains the options.

    `draw(denoise, level, keys, shape)` makes images.
    """

    net: Any
    encoder: Encoder | None
    scales: Callable
    noise: Noise
    level: Level
    draw: Callable
    l1: bool
    rgb: bool
    stride: int


class Seen(NamedTuple):
    """What the net sees of images besides noise. `local` and the conditions are those
    of a method that takes hints."""

    lightness: Float[Array, "b h w 1"]
    local: Float[Array, "b h w 3"] | None = None
    conditions: Conditions | None = None


def make_denoising(
    net: str,
    width: float,
    net_options: dict[str, Any],
    encoder: Encoder | None,
    dtype: jnp.dtype,
    stride: int,
    noise: Literal["palette"] | Sequence[float],
    sampler: str,
    steps: int,
    objective: str = "edm",
    l1: bool = False,
    rgb: bool = False,
) -> Denoising:
    """Raises `UserError` where a value is out of range."""
    levels = _make_noise(noise)
    published = noise == "palette" and sampler == "ancestral"
    return Denoising(
        net=_make_net(net, 3 if rgb else 2, width, net_options, dtype),
        encoder=encoder,
        scales=SCALES[objective],
        noise=levels,
        level=palette_levels() if published else karras_levels(*levels[1:]),
        draw=partial(sample, SAMPLERS[sampler], steps=steps),
        l1=l1,
        rgb=rgb,
        stride=stride,
    )


def _make_net(name, outputs, width, options, dtype):
    kinds = {"unet": DiffusionUNet, "transformer": PatchTransformer}
    own = ("outputs", "width", "dtype", "parent", "name")
    check_section("method.net_options", kinds[name], options, own)
    return kinds[name](outputs, width, dtype=dtype, **options)


def _make_noise(noise):
    if noise == "palette":
        return palette_noise()
    if isinstance(noise, str) or len(noise) != 2 or not noise[1] > 0:
        raise UserError(
            "config.method.noise is 'palette' or a mean and a positive standard "
            "deviation of ln sigma, as in (1.0, 1.6)"
        )
    return lognormal_noise(*map(float, noise))


def init(model: Denoising, key, examples, seen: Seen):
    """The nets of a method, `Method.init`."""
    images = _images(model, examples)
    encoder_key, net_key = jax.random.split(key)
    variables: dict[str, Any] = {"params": {}}
    if model.encoder:
        lightness = _padded(model, seen.lightness)
        variables = dict(model.encoder.net.init(encoder_key, lightness, train=True))
    planes, _ = _planes(model, variables, seen, train=False)
    inputs = jnp.concatenate([images, planes], axis=-1)
    given = {} if seen.conditions is None else {"conditions": seen.conditions}
    denoiser = model.net.init(net_key, inputs, jnp.zeros(len(images)), **given)
    params = {**variables["params"], "denoiser": denoiser["params"]}
    return {"G": {**variables, "params": params}}


def loss(model: Denoising, params, nets, examples, seen: Seen, key):
    """The loss of the net, as `Method.losses` has it."""
    images = _images(model, examples)
    level_key, noise_key, dropout_key = jax.random.split(key, 3)
    sigma = model.noise.draw(level_key, len(images))[:, None, None, None]
    noise = jax.random.normal(noise_key, images.shape)
    variables = {**nets["G"], "params": params}
    planes, updates = _planes(model, variables, seen, train=True)
    net = _net(model, params, planes, seen.conditions, dropout_key)
    inputs, target = training_pair(images, noise, sigma, model.scales)
    error = net(inputs, sigma) - target
    losses = per_image(jnp.abs(error) if model.l1 else jnp.square(error))
    loss, mean = loss_and_mean(losses, colorful_mask(examples))
    return loss, ({"G": updates}, {"loss": mean})


def sample_ab(
    model: Denoising,
    nets,
    seen: Seen,
    keys,
    steer: Callable[[Callable[..., Denoise]], Denoise] = lambda denoise: denoise(),
):
    """The ab [b h w 2] of a sample for each key.

    `steer` makes the denoiser that the sampler uses from a function
    `denoise(conditions=seen.conditions)` of denoisers.
    """
    height, width = seen.lightness.shape[1:3]
    planes, _ = _planes(model, nets["G"], seen, train=False)

    def denoise(conditions=seen.conditions):
        net = _net(model, nets["G"]["params"], planes, conditions)
        return denoiser(net, model.scales)

    shape = (*planes.shape[1:3], model.net.outputs)
    x = model.draw(steer(denoise), model.level, keys=keys, shape=shape)
    lab = rgb_to_lab(jnp.clip((x + 1) / 2, 0, 1)) if model.rgb else None
    ab = AB_UNIT * x if lab is None else lab[..., 1:]
    padded = _padded(model, seen.lightness)
    return join_edges(ab, padded, model.stride)[:, :height, :width]


def hints_of(model: Denoising, local):
    """The hints at the net's resolution: their ab as the net has it, and 1 where one
    is."""
    planes = hint_planes(_padded(model, local), model.stride)
    return planes[..., :2] * (HINT_UNIT / AB_UNIT), planes[..., 2:]


def _padded(model: Denoising, x):
    """Images [b h w c] whose sides all nets can divide."""
    return to_stride(x, math.lcm(model.net.stride * model.stride, STRIDE))


def _images(model: Denoising, examples):
    """What the net makes, about in unit variance, at its resolution."""
    images = 2 * examples["rgb"] - 1 if model.rgb else examples["ab"] / AB_UNIT
    return shrink(_padded(model, images), model.stride)


def _planes(model: Denoising, variables, seen: Seen, train):
    """What the net sees of L and hints at its resolution, and the encoder's new
    statistics."""
    lightness = _padded(model, seen.lightness)
    planes, updates = [space_to_depth(lightness / 50 - 1, model.stride)], {}
    if model.encoder:
        features, updates = model.encoder.features(variables, lightness, train)
        planes.append(upsample(features, SCALE // model.stride))
    if seen.local is not None:
        planes += hints_of(model, seen.local)
    return jnp.concatenate(planes, axis=-1), updates


def _net(model: Denoising, params, planes, conditions, key=None):
    """The net as a function of noisy images and noise levels, in float32.

    With `key` it is in training mode.
    """
    given = {} if conditions is None else {"conditions": conditions}

    def net(x, sigma):
        # Palette's test starts with levels beyond those of training.
        log_sigma = jnp.log(jnp.clip(sigma, model.noise.low, model.noise.high))
        output = model.net.apply(
            {"params": params["denoiser"]},
            jnp.concatenate([x, planes], axis=-1),
            jnp.broadcast_to(log_sigma.reshape(-1), x.shape[:1]),
            train=key is not None,
            rngs=None if key is None else {"dropout": key},
            **given,
        )
        return output.astype(jnp.float32)

    return net
