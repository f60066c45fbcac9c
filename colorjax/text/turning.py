"""Things in other colors, for training with words: `turn`.

In photographs, some things hardly ever have some colors. A network that learns from
photographs alone does not obey words for these pairs. So the hue of the thing in the
middle of an image is turned, and the words are those of the turned image.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from colorjax.text.color_words import hue_vectors, middle

JITTER = 15.0  # degrees to either side of the hue of a word
NARROW = 3.0  # how much less a pixel turns whose hue is another one
INNER, OUTER = 0.4, 1.0  # of the half side: the window is full, and it ends
TINY = 1e-6


def turn(
    keys: Key[Array, "b"], ab: Float[Array, "b h w 2"], share: Float[Array, "b"]
) -> Float[Array, "b h w 2"]:
    """Images, each turned to the hue of a random word with the probability `share`.

    In the middle, the pixels turn that have the hue of the middle. So the surroundings
    keep their colors.
    """
    return jax.vmap(_turn)(keys, ab, share)


def _turn(
    key: PRNGKeyArray, ab: Float[Array, "h w 2"], share: Float[Array, ""]
) -> Float[Array, "h w 2"]:
    coin_key, word_key, jitter_key = jax.random.split(key, 3)
    own = _unit((ab * middle(*ab.shape[:2])[..., None]).sum((0, 1)))
    hues = hue_vectors()
    hue = hues[jax.random.randint(word_key, (), 0, len(hues))]
    jitter = jnp.radians(jax.random.uniform(jitter_key, (), minval=-1) * JITTER)
    new = _rotation(jnp.cos(jitter), jnp.sin(jitter)) @ hue
    turned = ab @ _rotation(own @ new, own[0] * new[1] - own[1] * new[0]).T
    amount = jnp.exp(NARROW * (_unit(ab) @ own - 1)) * _window(*ab.shape[:2])
    amount *= jax.random.bernoulli(coin_key, share)
    return ab + amount[..., None] * (turned - ab)


def _rotation(cosine, sine):
    return jnp.array([[cosine, -sine], [sine, cosine]])


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), TINY)


def _window(height: int, width: int) -> Float[Array, "{height} {width}"]:
    """1 in the middle, falling to 0 at the border, without corners."""
    rows, columns = (
        jnp.abs((jnp.arange(n) + 0.5) / n * 2 - 1) for n in (height, width)
    )
    distance = (rows[:, None] ** 4 + columns**4) ** 0.25
    part = jnp.clip((OUTER - distance) / (OUTER - INNER), 0, 1)
    return part**2 * (3 - 2 * part)
