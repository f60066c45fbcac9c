"""Things in other colors, for training with words: `turn`.

In photographs, some things hardly ever have some colors. A network that learns from
photographs alone does not obey words for these pairs. So the hue of a thing is turned,
and the words are those of the turned image. The thing is in a box of the image, as
`color_words` has them, or else in the middle of the image.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from colorjax.text.color_words import boxes_of, from_middle, hue_vectors, middle

JITTER = 15.0  # degrees to either side of the hue of a word
NARROW = 3.0  # how much less a pixel turns whose hue is another one
INNER, OUTER = 0.4, 1.0  # of the half side of the box: the window is full, and it ends
TINY = 1e-6


def turn(
    keys: Key[Array, "b"],
    ab: Float[Array, "b h w 2"],
    turned: Float[Array, "b"],
    boxes: Float[Array, "b 4"] | None = None,
) -> Float[Array, "b h w 2"]:
    """Images, each turned to the hue of a random word where `turned` is 1, not 0.

    In the box, the pixels turn that have the hue of its middle. So the surroundings
    keep their colors.
    """
    return jax.vmap(_turn)(keys, ab, turned, boxes_of(ab, boxes))


def _turn(
    key: PRNGKeyArray,
    ab: Float[Array, "h w 2"],
    turned: Float[Array, ""],
    box: Float[Array, "4"],
) -> Float[Array, "h w 2"]:
    word_key, jitter_key = jax.random.split(key)
    height, width, _ = ab.shape
    own = _unit((ab * middle(height, width, box)[..., None]).sum((0, 1)))
    hues = hue_vectors()
    hue = hues[jax.random.randint(word_key, (), 0, len(hues))]
    jitter = jnp.radians(jax.random.uniform(jitter_key, (), minval=-1) * JITTER)
    new = _rotation(jnp.cos(jitter), jnp.sin(jitter)) @ hue
    new_ab = ab @ _rotation(own @ new, own[0] * new[1] - own[1] * new[0]).T
    amount = jnp.exp(NARROW * (_unit(ab) @ own - 1)) * _window(height, width, box)
    return ab + turned * amount[..., None] * (new_ab - ab)


def _rotation(cosine, sine):
    return jnp.array([[cosine, -sine], [sine, cosine]])


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), TINY)


def _window(
    height: int, width: int, box: Float[Array, "4"]
) -> Float[Array, "{height} {width}"]:
    """1 in the middle of a box, falling to 0 at its border, without corners."""
    down, across = from_middle(height, width, box)
    distance = (down[:, None] ** 4 + across**4) ** 0.25
    part = jnp.clip((OUTER - distance) / (OUTER - INNER), 0, 1)
    return part**2 * (3 - 2 * part)
