"""Hints for training, drawn from the true colors: `simulate` and `simulate_globe`.

Source: Zhang, Zhu, Isola, Geng, Lin, Yu, Efros, "Real-Time User-Guided Image
Colorization with Learned Deep Priors", SIGGRAPH 2017, section 3.2. All randomness of an
image comes from its own key, so its hints do not depend on the rest of the batch.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray

from colorjax.method import GLOBE
from colorjax.quantize import soft_encode

COUNT = 7.0  # hints of an image, on average
SIDE = 9  # pixels, of the largest hint
REVEAL = 0.01  # the share of the images of which all pixels are hints
GLOBES = 0.5  # the share of the images whose histogram is given
BEYOND = 0.01  # the share of the images that would have more hints than are drawn
GRID = 4  # pixels: a histogram is that of every fourth row and column


def simulate(
    keys: Key[Array, "b"],
    ab: Float[Array, "b h w 2"],
    count: float = COUNT,
    side: int = SIDE,
    reveal: float = REVEAL,
) -> Float[Array, "b h w 3"]:
    """The input "local" of images with these colors: ab of hints, and 1 where one is.

    The number of hints is geometric with the mean `count`, so one image in `count` + 1
    has none. A hint is a square of 1 to `side` pixels in the mean color of its pixels.
    The places of the squares are normally distributed about the middle of the image,
    with a standard deviation of a quarter of each side. The share `reveal` of the
    images gets all its pixels as hints, which teaches a network to obey them.
    """
    return jax.vmap(partial(_local, count=count, side=side, reveal=reveal))(keys, ab)


def _local(
    key: PRNGKeyArray, ab: Float[Array, "h w 2"], count: float, side: int, reveal: float
) -> Float[Array, "h w 3"]:
    """`simulate` for one image. Later hints lie on top of earlier ones."""
    height, width, _ = ab.shape
    number_key, size_key, place_key, reveal_key = jax.random.split(key, 4)
    shrinking = math.log(count / (count + 1))  # of the odds of each further hint
    most = max(1, math.ceil(math.log(BEYOND) / shrinking))
    uniform = jax.random.uniform(number_key, minval=jnp.finfo(jnp.float32).tiny)
    used = jnp.arange(most) < jnp.floor(jnp.log(uniform) / shrinking)
    sizes = jax.random.randint(size_key, (most,), 1, min(side, height, width) + 1)
    normal = jax.random.normal(place_key, (2, most))
    rows, columns = (
        _covered(length, sizes, own)
        for length, own in zip((height, width), normal, strict=True)
    )
    rows &= used[:, None]
    colors = jnp.einsum(
        "kh,kw,hwc->kc", rows, columns, ab, precision=jax.lax.Precision.HIGHEST
    )
    colors /= (sizes**2)[:, None]
    order = jnp.arange(1, most + 1)[:, None, None]
    top = jnp.where(rows[:, :, None] & columns[:, None], order, 0).max(0)
    hints = jnp.concatenate([jnp.zeros((1, 2)), colors])[top]
    local = jnp.concatenate([hints, (top > 0)[..., None]], axis=-1)
    whole = jnp.concatenate([ab, jnp.ones((height, width, 1))], axis=-1)
    return jnp.where(jax.random.bernoulli(reveal_key, reveal), whole, local)


def _covered(
    length: int, sizes: Array, normal: Float[Array, "k"]
) -> Bool[Array, "k {length}"]:
    """Which pixels of an axis the hints cover."""
    room = length - sizes + 1
    first = jnp.clip(room / 2 + room / 4 * normal, 0, length - sizes).astype(int)
    pixels = jnp.arange(length)
    return (pixels >= first[:, None]) & (pixels < (first + sizes)[:, None])


def simulate_globe(
    keys: Key[Array, "b"], ab: Float[Array, "b h w 2"], share: float = GLOBES
) -> Float[Array, "b 314"]:
    """The input "globe": the histogram of the image and 1, for this `share` of the
    images; zeros for the others."""
    given = jax.vmap(lambda key: jax.random.bernoulli(key, share))(keys)
    return jnp.where(given[:, None], jax.vmap(_globe)(ab), 0.0)


def _globe(ab: Float[Array, "h w 2"]) -> Float[Array, "314"]:
    """The mean soft code of the colors, and 1."""
    indices, weights = soft_encode(ab[::GRID, ::GRID])
    shares = jnp.zeros(GLOBE).at[indices].add(weights)
    return (shares / shares.sum()).at[-1].set(1.0)
