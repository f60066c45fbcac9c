"""Diffusion as pure functions: noise levels and preconditioning.

A noisy image is `x = x0 + sigma * noise`, where `x0` has about unit variance and
`noise` is standard normal. `sigma` is the noise level. In the terms of Palette, gamma
is 1 / (1 + sigma^2), and its noisy image is sqrt(gamma) * x. A denoiser is a function
`denoise(x, sigma)` that estimates x0. A schedule is a function `level(i, steps)`: the
i-th of `steps` falling noise levels. `_samplers.py` goes down such a schedule.

Sources: Saharia et al., "Palette", SIGGRAPH 2022; Ho, Jain, Abbeel, "Denoising
Diffusion Probabilistic Models", NeurIPS 2020; Karras et al., "Elucidating the Design
Space of Diffusion-Based Generative Models" (EDM), NeurIPS 2022.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

Denoise = Callable[[Array, Array], Array]
Level = Callable[[ArrayLike, ArrayLike], Array]

# Palette's linear schedules of beta: number of steps, first and last beta.
TRAINING = (2000, 1e-6, 0.01)
TEST = (1000, 1e-4, 0.09)
RHO = 7.0  # EDM, eq. 5
SPREAD = 2.5  # standard deviations of ln sigma that log-normal noise reaches


# ---- Noise levels.


class Noise(NamedTuple):
    """The noise levels of training.

    `draw(key, count)` returns random levels. `low` and `high` are the levels between
    which a sampler works.
    """

    draw: Callable[[PRNGKeyArray, int], Float[Array, "count"]]
    low: float
    high: float


def palette_gammas(steps: int, first: float, last: float) -> Float[np.ndarray, "steps"]:
    """The products of 1 - beta for betas that rise linearly, in float64."""
    return np.cumprod(1 - np.linspace(first, last, steps))


def sigma_of(gamma: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The noise level that Palette calls gamma."""
    return np.sqrt((1 - gamma) / gamma)


def palette_noise() -> Noise:
    """Palette's: gamma is uniform between those of two neighboring training steps."""
    gammas = palette_gammas(*TRAINING)
    edges = np.concatenate([[1.0], gammas])
    # Float32 cannot tell gammas close to 1 apart, so 1 - gamma has its own table.
    signal, variance = (jnp.asarray(x, jnp.float32) for x in (edges, 1 - edges))

    def draw(key, count):
        step_key, place_key = jax.random.split(key)
        step = jax.random.randint(step_key, (count,), 0, len(gammas))
        place = jax.random.uniform(place_key, (count,))

        def between(table):
            return table[step] + place * (table[step + 1] - table[step])

        return jnp.sqrt(between(variance) / between(signal))

    return Noise(draw, *sigma_of(gammas[[0, -1]]).tolist())


def lognormal_noise(mean: float, deviation: float) -> Noise:
    """EDM's: ln sigma is normal, here up to `SPREAD` deviations from its mean."""

    def draw(key, count):
        normal = jax.random.truncated_normal(key, -SPREAD, SPREAD, (count,))
        return jnp.exp(mean + deviation * normal)

    low, high = np.exp(mean + deviation * np.array([-SPREAD, SPREAD])).tolist()
    return Noise(draw, low, high)


def karras_levels(low: float, high: float) -> Level:
    """EDM's schedule, eq. 5, from `high` to `low`."""
    start, end = high ** (1 / RHO), low ** (1 / RHO)

    def level(i, steps):
        share = i / jnp.maximum(jnp.asarray(steps, jnp.float32) - 1, 1)
        return (start + share * (end - start)) ** RHO

    return level


def palette_levels() -> Level:
    """Palette's schedule for tests; fewer than its 1000 steps are evenly spaced."""
    table = jnp.asarray(sigma_of(palette_gammas(*TEST))[::-1], jnp.float32)

    def level(i, steps):
        share = i / jnp.maximum(jnp.asarray(steps, jnp.float32) - 1, 1)
        return table[jnp.round(share * (len(table) - 1)).astype(jnp.int32)]

    return level


# ---- Preconditioning.


class Scales(NamedTuple):
    """How a net F makes a denoiser: skip * x + outer * F(inner * x)."""

    skip: Array
    outer: Array
    inner: Array


def epsilon_scales(sigma: Float[Array, "..."]) -> Scales:
    """The net predicts the noise, as in DDPM and Palette."""
    return Scales(jnp.ones_like(sigma), -sigma, (1 + sigma**2) ** -0.5)


def edm_scales(sigma: Float[Array, "..."]) -> Scales:
    """The net predicts a mix of noise and image that has unit variance (EDM, table 1,
    for images of unit variance)."""
    inner = (1 + sigma**2) ** -0.5
    return Scales(inner**2, sigma * inner, inner)


SCALES = {"epsilon": epsilon_scales, "edm": edm_scales}


def denoiser(
    net: Callable[[Array, Array], Array], scales: Callable[[Array], Scales]
) -> Denoise:
    """The denoiser of `net(x, sigma)`, whose x has unit variance."""

    def denoise(x, sigma):
        skip, outer, inner = scales(sigma)
        return skip * x + outer * net(inner * x, sigma)

    return denoise


def training_pair(
    x0: Float[Array, "b h w c"],
    noise: Float[Array, "b h w c"],
    sigma: Float[Array, "b 1 1 1"],
    scales: Callable[[Array], Scales],
) -> tuple[Float[Array, "b h w c"], Float[Array, "b h w c"]]:
    """What the net gets and what it should return, both of unit variance.

    The squared error of the net is Palette's loss for epsilon and EDM's (eq. 8, with
    its weights) for edm.
    """
    skip, outer, inner = scales(sigma)
    x = x0 + sigma * noise
    return inner * x, (x0 - skip * x) / outer
