"""L of a picture and other colours as a picture of the same size and depth: `join`,
`paint`.

The picture is gone over in tiles, so that beside it and the result little is held, and
so that two programs do for all sizes.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab
from colorjax.images import Picture
from colorjax.inference.upsample import PLANES, Guide

SMALL, LARGE = 1 << 15, 1 << 18  # pixels of a tile: one program for each
Part = tuple[int, int, int, int]  # top, left, height, width


def join(picture: Picture, ab: Float[np.ndarray, "h w 2"]) -> Picture:
    """The L of a picture and another ab of its size as an sRGB picture."""

    def planes(part):
        top, left, height, width = part
        colors = ab[top : top + height, left : left + width]
        return np.pad(colors, ((0, 0), (0, 0), (0, PLANES - 2)))

    return _over_tiles(picture, planes)


def paint(picture: Picture, guide: Guide) -> Picture:
    """The L of a picture and the ab that `guide` has for it as an sRGB picture.

    L is kept to the rounding of the picture's 8 or 16 bits, and so is a fourth channel,
    alpha; colours outside the sRGB gamut lose chroma.
    """
    return _over_tiles(picture, lambda part: guide.planes(picture.shape[:2], part))


def _over_tiles(picture: Picture, planes: Callable[[Part], np.ndarray]) -> Picture:
    height, width = picture.shape[:2]
    pixels = SMALL if height * width <= SMALL else LARGE
    result = np.empty_like(picture)
    for part in _tiles(height, width, pixels):
        top, left, rows, columns = part
        place = np.s_[top : top + rows, left : left + columns]
        levels = picture[place][..., :3].reshape(-1, 3)
        extra = ((0, pixels - len(levels)), (0, 0))
        given = planes(part).reshape(-1, PLANES)
        painted = _paint(np.pad(levels, extra), np.pad(given, extra))
        painted = np.asarray(painted)[: len(levels)]
        result[place][..., :3] = painted.reshape(rows, columns, 3)
        result[place][..., 3:] = picture[place][..., 3:]
    return result


def _tiles(height: int, width: int, pixels: int) -> Iterator[Part]:
    """Rectangles of at most so many pixels that cover the picture, row by row."""
    columns = min(width, pixels)
    rows = pixels // columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield top, left, min(rows, height - top), min(columns, width - left)


@jax.jit
def _paint(levels, planes):
    top = jnp.iinfo(levels.dtype).max
    lightness = rgb_to_lab(levels.astype(jnp.float32) / top)[:, :1]
    ab, gain, coarse = jnp.split(planes, (2, 4), axis=-1)
    lab = jnp.concatenate([lightness, ab + gain * (lightness - coarse)], axis=-1)
    return jnp.round(lab_to_rgb(into_gamut(lab)) * top).astype(levels.dtype)
