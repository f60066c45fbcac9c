"""A picture with its own L and a predicted ab, at its own size and bit depth.

The picture is processed in tiles of two fixed sizes: little memory is needed beside the
picture and the result, and two compiled programs serve every size.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab
from colorjax.images import Picture
from colorjax.inference.programs import StoredProgram
from colorjax.inference.upsample import PLANES, Upsampler

SMALL, LARGE = 1 << 15, 1 << 18  # pixels of a tile; one compiled program for each
Rectangle = tuple[int, int, int, int]  # top, left, height, width


def replace_ab(picture: Picture, ab: Float[np.ndarray, "h w 2"]) -> Picture:
    """The picture with its own L and with `ab`, which has its size.

    L is kept to the rounding of 8 or 16 bits. Colors outside the sRGB gamut lose
    chroma. A fourth channel, alpha, is kept.
    """

    def planes(part):
        top, left, height, width = part
        colors = ab[top : top + height, left : left + width]
        return np.pad(colors, ((0, 0), (0, 0), (0, PLANES - 2)))

    return _map_tiles(picture, planes)


def replace_ab_guided(picture: Picture, upsampler: Upsampler) -> Picture:
    """`replace_ab` with the ab that `upsampler` gives along the picture's edges."""
    return _map_tiles(picture, lambda part: upsampler.planes(picture.shape[:2], part))


def _map_tiles(picture: Picture, planes: Callable[[Rectangle], np.ndarray]) -> Picture:
    """Recolor a picture by tiles; `planes(tile)` gives the ab, gain and coarse L."""
    height, width = picture.shape[:2]
    pixels = SMALL if height * width <= SMALL else LARGE
    result = np.empty_like(picture)
    for part in _tiles(height, width, pixels):
        top, left, rows, columns = part
        place = np.s_[top : top + rows, left : left + columns]
        levels = picture[place][..., :3].reshape(-1, 3)
        padding = ((0, pixels - len(levels)), (0, 0))
        values = planes(part).reshape(-1, PLANES)
        colored = RECOLOR_TILE(np.pad(levels, padding), np.pad(values, padding))
        colored = np.asarray(colored)[: len(levels)]
        result[place][..., :3] = colored.reshape(rows, columns, 3)
        result[place][..., 3:] = picture[place][..., 3:]
    return result


def _tiles(height: int, width: int, pixels: int) -> Iterator[Rectangle]:
    """Rectangles of at most `pixels` pixels that cover the picture, row by row."""
    columns = min(width, pixels)
    rows = pixels // columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield top, left, min(rows, height - top), min(columns, width - left)


@jax.jit
def _recolor_tile(levels, planes):
    """sRGB levels [n 3] with the ab of the planes [n 5], see `upsample`."""
    top = jnp.iinfo(levels.dtype).max
    lightness = rgb_to_lab(levels.astype(jnp.float32) / top)[:, :1]
    ab, gain, coarse = jnp.split(planes, (2, 4), axis=-1)
    lab = jnp.concatenate([lightness, ab + gain * (lightness - coarse)], axis=-1)
    return jnp.round(lab_to_rgb(into_gamut(lab)) * top).astype(levels.dtype)


RECOLOR_TILE = StoredProgram(_recolor_tile, "recolor a tile")
