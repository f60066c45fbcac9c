"""The words of colors that name the pixels of a picture: `word_of`, `middle_word`.

A picture's L is known, so black, white and grey are one word. The other words are
regions of hue; brown is a dark or dull orange.

A box is (top, left, bottom, right), as fractions of the height and width of an image.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

WORDS = "grey", "red", "green", "yellow", "blue", "orange", "pink", "purple", "brown"
HUES = (30, 140, 92, 285, 62, 358, 328)  # degrees in Lab, of "red" to "purple"
ORANGE, BROWN = WORDS.index("orange"), WORDS.index("brown")
GREY = 8.0  # ab units: less chroma has no hue
VIVID = 45.0, 50.0  # chroma and L from which orange is not brown
WHOLE = 0.0, 0.0, 1.0, 1.0  # the box of a whole image


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


def from_middle(
    height: int, width: int, box: Float[Array, "4"] | Sequence[float] = WHOLE
) -> tuple[Float[Array, "{height}"], Float[Array, "{width}"]]:
    """How far the rows and the columns of an image are from the middle of a box: 0 in
    the middle, 1 at the border."""
    top, left, bottom, right = box
    rows, columns = ((jnp.arange(n) + 0.5) / n for n in (height, width))
    down = (2 * rows - top - bottom) / (bottom - top)
    across = (2 * columns - left - right) / (right - left)
    return jnp.abs(down), jnp.abs(across)


def middle(
    height: int, width: int, box: Float[Array, "4"] | Sequence[float] = WHOLE
) -> Bool[Array, "{height} {width}"]:
    """The pixels in the middle half of both sides of a box."""
    down, across = from_middle(height, width, box)
    return (down <= 0.5)[:, None] & (across <= 0.5)


def boxes_of(
    ab: Float[Array, "b h w 2"], boxes: Float[Array, "b 4"] | None
) -> Float[Array, "b 4"]:
    """The box of each image; the whole image where there are none."""
    return jnp.broadcast_to(jnp.array(WHOLE), (len(ab), 4)) if boxes is None else boxes


def middle_word(
    lightness: Float[Array, "b h w 1"],
    ab: Float[Array, "b h w 2"],
    boxes: Float[Array, "b 4"] | None = None,
) -> Int[Array, "b"]:
    """The word for the middle of the box of each image, by default the whole image.

    Each pixel votes for its word, with its chroma but at least `GREY` as weight,
    because a few colored pixels give a thing its color.
    """
    weight = jnp.maximum(jnp.linalg.norm(ab, axis=-1), GREY)
    votes = jax.nn.one_hot(word_of(lightness, ab), len(WORDS))
    weight *= jax.vmap(partial(middle, *ab.shape[1:3]))(boxes_of(ab, boxes))
    return jnp.einsum("bhwk,bhw->bk", votes, weight).argmax(axis=-1)
