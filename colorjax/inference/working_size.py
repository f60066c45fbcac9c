"""The images that a network sees: pictures at working size, padded to a few sizes.

Each size needs a program of its own, which is compiled when it is first used. So
pictures of any aspect are padded to one of nine sizes.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from colorjax import images
from colorjax.images import Picture

ASPECTS = (1.0, 4 / 3, 3 / 2, 2.0, 4.0)  # images are padded to one of these aspects
STRIDE = 8  # and to a multiple of the networks' stride


def to_working_size(picture: Picture, side: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture with a short side of `side` pixels, in 8 bits, laid on white."""
    longest = round(side * ASPECTS[-1])
    small = images.resize_short(images.to_8_bits(picture), side, longest)
    return images.on_white(small)


def padded_size(height: int, width: int, side: int) -> tuple[int, int]:
    """The size that an image with a short side of `side` is padded to, one of nine."""
    longer = max(height, width)
    sides = [-(-round(side * a) // STRIDE) * STRIDE for a in ASPECTS]
    long = next(side for side in sides if side >= longer)
    return (long, sides[0]) if height > width else (sides[0], long)


def padded(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], size: tuple[int, int], batch: int
) -> UInt8[np.ndarray, "{batch} h w 3"]:
    """A batch of images, each with its border repeated up to `size`.

    Black images fill the batch up.
    """
    stacked = np.zeros((batch, *size, 3), np.uint8)
    for row, image in zip(stacked, pictures, strict=False):
        missing = [(0, n - m) for n, m in zip(size, image.shape[:2], strict=True)]
        row[:] = np.pad(image, [*missing, (0, 0)], mode="edge")
    return stacked
