"""The words of colors that name the pixels of a picture: `word_of`, `middle_word`.

A picture's L is known, so black, white and grey are one word. The other words are
regions of hue; brown is a dark or dull orange.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

WORDS = "grey", "red", "green", "yellow", "blue", "orange", "pink", "purple", "brown"
HUES = (30, 140, 92, 285, 62, 358, 328)  # degrees in Lab, of "red" to "purple"
ORANGE, BROWN = WORDS.index("orange"), WORDS.index("brown")
GREY = 8.0  # ab units: less chroma has no hue
VIVID = 45.0, 50.0  # chroma and L from which orange is not brown


def hue_vectors() -> Float[Array, "7 2"]:
    """The unit vectors of `HUES` in the ab plane."""
    angles = jnp.radians(jnp.array(HUES, jnp.float32))
    return jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def word_of(
    lightness: Float[Array, "*n 1"], ab: Float[Array, "*n 2"]
) -> Int[Array, "*n"]:
    """The index in `WORDS` of the word for each color."""
    chroma = jnp.linalg.norm(ab, axis=-1)
    likeness = jnp.einsum("...c,kc->...k", ab, hue_vectors())
    word = 1 + likeness.argmax(axis=-1)
    vivid = (chroma >= VIVID[0]) & (lightness[..., 0] >= VIVID[1])
    word = jnp.where((word == ORANGE) & ~vivid, BROWN, word)
    return jnp.where(chroma < GREY, 0, word)


def middle(height: int, width: int) -> Bool[Array, "{height} {width}"]:
    """The pixels in the middle half of both sides."""
    rows, columns = (
        (jnp.arange(n) >= n // 4) & (jnp.arange(n) < n - n // 4)
        for n in (height, width)
    )
    return rows[:, None] & columns


def middle_word(
    lightness: Float[Array, "b h w 1"], ab: Float[Array, "b h w 2"]
) -> Int[Array, "b"]:
    """The word for the middle of each image.

    Each pixel votes for its word, with its chroma but at least `GREY` as weight,
    because a few colored pixels give a thing its color.
    """
    weight = jnp.maximum(jnp.linalg.norm(ab, axis=-1), GREY)
    votes = jax.nn.one_hot(word_of(lightness, ab), len(WORDS))
    weight *= middle(*ab.shape[1:3])
    return jnp.einsum("bhwk,bhw->bk", votes, weight).argmax(axis=-1)
