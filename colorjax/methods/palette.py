"""Color by diffusion: Palette, and its descendants as options.

Source: Saharia et al., "Palette: Image-to-Image Diffusion Models", SIGGRAPH 2022. From
noise and L, a net is asked again and again for the image, with less noise each time.
The result is a sample of the images that have this L, so another key gives other
colors.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import rgb_to_lab
from colorjax.config import check_section
from colorjax.errors import UserError
from colorjax.method import Method, Prediction
from colorjax.methods._chroma import join_edges
from colorjax.methods._diffusion import (
    SCALES,
    Level,
    Noise,
    denoiser,
    karras_levels,
    lognormal_noise,
    palette_levels,
    palette_noise,
    training_pair,
)
from colorjax.methods._encoder import STRIDE, Encoder, make_encoder
from colorjax.methods._gan import loss_and_mean, per_image
from colorjax.methods._samplers import SAMPLERS, sample
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.diffusion_unet import DiffusionUNet
from colorjax.nets.layers import shrink, space_to_depth, to_stride, upsample
from colorjax.nets.patch_transformer import PatchTransformer
from colorjax.nets.vgg_dilated import SCALE

AB_UNIT = 13.0  # ab units that are 1 in the net's images: the standard deviation of ab


class Palette(NamedTuple):
    """What the functions of the method share; see `build` for the options.

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


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    net: Literal["unet", "transformer"] = "unet",
    width: float = 1.0,
    net_options: dict[str, Any] | None = None,
    encoder: Literal["", "efficientnet_lite0", "vgg_dilated"] = "",
    encoder_width: float = 1.0,
    features: int = 64,
    frozen: bool = False,
    space: Literal["ab", "rgb"] = "ab",
    stride: Literal[1, 2, 4] = 1,
    objective: Literal["edm", "epsilon"] = "edm",
    noise: Literal["palette"] | Sequence[float] = (1.0, 1.6),
    loss: Literal["l2", "l1"] = "l2",
    sampler: Literal["dpmpp_2m", "heun", "ddim", "ancestral"] = "dpmpp_2m",
    steps: int = 12,
    ema: float = 0.9999,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The nets compute in `dtype`.

    The net "unet" is the paper's, "transformer" is for small machines. `width` scales
    its channels; `net_options` are others of `DiffusionUNet` or `PatchTransformer`. An
    `encoder` of `make_encoder`, with `encoder_width` and `frozen`, gives it `features`
    of L. `init_from` starts the encoder from a run of zhang2016.

    `space` "rgb" is the paper's. "ab" makes ab alone, at 1 / `stride` of the
    resolution. `objective` is what the net predicts, "epsilon" in the paper. `noise` is
    the paper's, or mean and standard deviation of ln sigma, for an ab of unit variance.
    Large images need a larger mean: more noise hides the hue of a large region. `loss`
    "l1" is an ablation of the paper, whose colors are less diverse.

    `sampler` has `steps` steps. "ancestral" with the paper's noise goes down the
    paper's schedule, which has 1000, all others down EDM's. `ema` is the decay of the
    mean of the parameters that predicts; without a mean it is 0.

    Raises `UserError` where a value is out of range.
    """
    del prior
    kind, levels = jnp.dtype(dtype), _make_noise(noise)
    published = noise == "palette" and sampler == "ancestral"
    model = Palette(
        net=_make_net(net, 3 if space == "rgb" else 2, width, net_options or {}, kind),
        encoder=make_encoder(encoder, encoder_width, features, frozen, kind),
        scales=SCALES[objective],
        noise=levels,
        level=palette_levels() if published else karras_levels(*levels[1:]),
        draw=partial(sample, SAMPLERS[sampler], steps=steps),
        l1=loss == "l1",
        rgb=space == "rgb",
        stride=stride,
    )
    return _method(model, ema)


def _method(model: Palette, ema: float) -> Method:
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        stochastic=True,
        ema={"G": ema} if ema else {},
        options=frozenset({"sampler", "steps"}),
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


def _init(model: Palette, key, examples):
    images, lightness = _images(model, examples), _padded(model, examples["lightness"])
    encoder_key, net_key = jax.random.split(key)
    variables: dict[str, Any] = {"params": {}}
    if model.encoder:
        variables = dict(model.encoder.net.init(encoder_key, lightness, train=True))
    condition, _ = _condition(model, variables, lightness, train=False)
    inputs = jnp.concatenate([images, condition], axis=-1)
    denoiser = model.net.init(net_key, inputs, jnp.zeros(len(images)))
    params = {**variables["params"], "denoiser": denoiser["params"]}
    return {"G": {**variables, "params": params}}


def _loss(model: Palette, params, nets, examples, key):
    images, lightness = _images(model, examples), _padded(model, examples["lightness"])
    level_key, noise_key, dropout_key = jax.random.split(key, 3)
    sigma = model.noise.draw(level_key, len(images))[:, None, None, None]
    noise = jax.random.normal(noise_key, images.shape)
    variables = {**nets["G"], "params": params}
    condition, updates = _condition(model, variables, lightness, train=True)
    net = _net(model, params, condition, dropout_key)
    inputs, target = training_pair(images, noise, sigma, model.scales)
    error = net(inputs, sigma) - target
    losses = per_image(jnp.abs(error) if model.l1 else jnp.square(error))
    loss, mean = loss_and_mean(losses, colorful_mask(examples))
    return loss, ({"G": updates}, {"loss": mean})


def _infer(model: Palette, nets, inputs, keys):
    lightness = inputs["lightness"]
    height, width = lightness.shape[1:3]
    padded = _padded(model, lightness)
    condition, _ = _condition(model, nets["G"], padded, train=False)
    denoise = denoiser(_net(model, nets["G"]["params"], condition), model.scales)
    shape = (*condition.shape[1:3], model.net.outputs)
    x = model.draw(denoise, model.level, keys=keys, shape=shape)
    lab = rgb_to_lab(jnp.clip((x + 1) / 2, 0, 1)) if model.rgb else None
    ab = AB_UNIT * x if lab is None else lab[..., 1:]
    return Prediction(join_edges(ab, padded, model.stride)[:, :height, :width])


def _padded(model: Palette, x):
    """Images [b h w c] whose sides all nets can divide."""
    return to_stride(x, math.lcm(model.net.stride * model.stride, STRIDE))


def _images(model: Palette, examples):
    """What the net makes, about in unit variance, at its resolution."""
    images = 2 * examples["rgb"] - 1 if model.rgb else examples["ab"] / AB_UNIT
    return shrink(_padded(model, images), model.stride)


def _condition(model: Palette, variables, lightness, train):
    """What the net sees of L at its resolution, and the encoder's new statistics."""
    pixels = space_to_depth(lightness / 50 - 1, model.stride)
    if not model.encoder:
        return pixels, {}
    features, updates = model.encoder.features(variables, lightness, train)
    features = upsample(features, SCALE // model.stride)
    return jnp.concatenate([pixels, features], axis=-1), updates


def _net(model: Palette, params, condition, key=None):
    """The net as a function of noisy images and noise levels, in float32.

    With `key` it is in training mode.
    """

    def net(x, sigma):
        # Palette's test starts with levels beyond those of training.
        log_sigma = jnp.log(jnp.clip(sigma, model.noise.low, model.noise.high))
        output = model.net.apply(
            {"params": params["denoiser"]},
            jnp.concatenate([x, condition], axis=-1),
            jnp.broadcast_to(log_sigma.reshape(-1), x.shape[:1]),
            train=key is not None,
            rngs=None if key is None else {"dropout": key},
        )
        return output.astype(jnp.float32)

    return net
