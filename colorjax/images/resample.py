"""Resizing."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image


def resize(
    picture: UInt8[np.ndarray, "h w *c"] | Float[np.ndarray, "h w"],
    size: tuple[int, int],
    part: tuple[int, int, int, int] | None = None,
) -> UInt8[np.ndarray, "h2 w2 *c"] | Float[np.ndarray, "h2 w2"]:
    """Bilinear resize to `size` = (height, width), antialiased where it shrinks.

    With `part` = (top, left, height, width), returns only that rectangle of the result.
    """
    top, left, height, width = part or (0, 0, *size)
    if picture.shape[:2] == tuple(size):
        return picture[top : top + height, left : left + width]
    y, x = picture.shape[0] / size[0], picture.shape[1] / size[1]
    box = (left * x, top * y, (left + width) * x, (top + height) * y)
    image = Image.fromarray(picture)
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR, box))


def short_size(
    picture: np.ndarray, side: int, longest: int | None = None
) -> tuple[int, int]:
    """The (height, width) of a picture scaled to a short side of `side` pixels.

    The scale is smaller where the long side would exceed `longest` pixels.
    """
    h, w = picture.shape[:2]
    scale = side / min(h, w)
    if longest is not None:
        scale = min(scale, longest / max(h, w))
    return max(1, round(h * scale)), max(1, round(w * scale))


def resize_short(
    picture: UInt8[np.ndarray, "h w c"], side: int, longest: int | None = None
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Resize to `short_size(picture, side, longest)`."""
    return resize(picture, short_size(picture, side, longest))
