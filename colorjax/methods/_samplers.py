"""Samplers: from noise to an image, with a denoiser, down a schedule of noise levels.

A sampler is a pure function of a denoiser and noise, with one loop of `jax.lax`, in the
manner of k-diffusion. `_diffusion.py` defines the terms. Each sampler ends with the
denoiser's estimate at the lowest level, which is the step of all of them to level 0.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key

from colorjax.methods._diffusion import Denoise, Level

LARGEST = 0.1  # of the pixels of an image: all that a text changes most
SHARPNESS = 2
Sampler = Callable[[Denoise, Array, Level, ArrayLike, Array], Array]


def normal(keys: Key[Array, "b"], shape: tuple[int, ...]) -> Float[Array, "b ..."]:
    """Standard normal numbers; those of an image depend on its own key alone."""
    return jax.vmap(lambda key: jax.random.normal(key, shape))(keys)


def ddim(
    denoise: Denoise,
    x: Float[Array, "b h w c"],
    level: Level,
    steps: Int[ArrayLike, ""],
    keys: Key[Array, "b"],
) -> Float[Array, "b h w c"]:
    """Song, Meng, Ermon, ICLR 2021, without noise: first order.

    `x` is noise of the level `level(0, steps)`. `steps` may be traced: one program
    serves any number. Samplers that draw no noise do not use `keys`.
    """
    del keys

    def step(i, x):
        sigma, following = level(i, steps), level(i + 1, steps)
        image = denoise(x, sigma)
        return image + following / sigma * (x - image)

    x = jax.lax.fori_loop(0, steps - 1, step, x)
    return denoise(x, level(steps - 1, steps))


def heun(denoise, x, level, steps, keys):
    """EDM's algorithm 1: second order, with 2 steps - 1 evaluations. As `ddim`."""
    del keys

    def slope(x, sigma):
        return (x - denoise(x, sigma)) / sigma

    def step(i, x):
        sigma, following = level(i, steps), level(i + 1, steps)
        first, width = slope(x, sigma), following - sigma
        second = slope(x + width * first, following)
        return x + width * (first + second) / 2

    x = jax.lax.fori_loop(0, steps - 1, step, x)
    return denoise(x, level(steps - 1, steps))


def dpmpp_2m(denoise, x, level, steps, keys):
    """DPM-Solver++(2M) of Lu et al., 2022, algorithm 2: second order. As `ddim`.

    A step continues the line through this estimate and the one before, in ln sigma.
    """
    del keys

    def step(i, state):
        x, before = state
        sigma, following = level(i, steps), level(i + 1, steps)
        image = denoise(x, sigma)
        width = jnp.log(sigma / following)
        width_before = jnp.log(level(jnp.maximum(i - 1, 0), steps) / sigma)
        ahead = jnp.where(i > 0, width / (2 * jnp.where(i > 0, width_before, 1)), 0)
        target = image + ahead * (image - before)
        return target + following / sigma * (x - target), image

    x, _ = jax.lax.fori_loop(0, steps - 1, step, (x, jnp.zeros_like(x)))
    return denoise(x, level(steps - 1, steps))


def ancestral(denoise, x, level, steps, keys):
    """DDPM with Palette's variance of 1 - alpha, which draws noise. As `ddim`."""

    def step(i, x):
        sigma, following = level(i, steps), level(i + 1, steps)
        ratio = jnp.square(following / sigma)
        mean = denoise(x, sigma) * (1 - ratio) + ratio * x
        # 1 - alpha, for a noisy image that is divided by the next sqrt(gamma).
        variance = (1 - ratio) * (1 + following**2) / (1 + sigma**-2)
        drawn = normal(
            jax.vmap(lambda key: jax.random.fold_in(key, i))(keys), x[0].shape
        )
        return mean + jnp.sqrt(variance) * drawn

    x = jax.lax.fori_loop(0, steps - 1, step, x)
    return denoise(x, level(steps - 1, steps))


SAMPLERS: dict[str, Sampler] = {
    "dpmpp_2m": dpmpp_2m,
    "heun": heun,
    "ddim": ddim,
    "ancestral": ancestral,
}


def sample(
    sampler: Sampler,
    denoise: Denoise,
    level: Level,
    steps: Int[ArrayLike, ""],
    keys: Key[Array, "b"],
    shape: tuple[int, int, int],
) -> Float[Array, "b h w c"]:
    """One image of the `shape` (height, width, channels) for each key."""
    first, later = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    noise = level(0, steps) * normal(first, shape)
    return sampler(denoise, noise, level, steps, later)


def guided(with_text: Denoise, without: Denoise, weight: float) -> Denoise:
    """Classifier-free guidance (Ho and Salimans, 2022): away from the denoiser that
    does not see the text. The weight 1 is the denoiser that sees it.

    What exceeds 1 counts most where the text changes most (`emphasis`).
    """
    if weight == 1:
        return with_text
    if weight == 0:
        return without

    def denoise(x, sigma):
        plain = without(x, sigma)
        change = with_text(x, sigma) - plain
        return plain + (min(weight, 1) + max(weight - 1, 0) * emphasis(change)) * change

    return denoise


def emphasis(change: Float[Array, "b h w c"]) -> Float[Array, "b h w 1"]:
    """How large a change of images is at each pixel, from 0 to 1, the most in an image.

    A thing changes more than its surroundings, so they keep their colors. The size of
    the change is a mean over 3x3 pixels, and `LARGEST` of the pixels have 1.
    """
    size = jnp.linalg.norm(change, axis=-1, keepdims=True)
    size = nn.avg_pool(size, (3, 3), padding="SAME", count_include_pad=False)
    largest = jnp.quantile(size, 1 - LARGEST, axis=(1, 2), keepdims=True)
    share = size / jnp.maximum(largest, jnp.finfo(size.dtype).tiny)
    return jnp.minimum(share, 1) ** SHARPNESS


def pinned(
    denoise: Denoise, hints: Float[Array, "b h w c"], weight: Float[Array, "b h w 1"]
) -> Denoise:
    """A denoiser whose images have the `hints` where their weight is 1."""

    def pin(x, sigma):
        image = denoise(x, sigma)
        return image + weight * (hints - image)

    return pin
