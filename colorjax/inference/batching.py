"""Batches of pictures of different sizes: `padded_size`, `batches`, `stack`, and the
`number` that picks the noise of a picture.
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import UInt8

ASPECTS = (1.0, 4 / 3, 3 / 2, 2.0, 4.0)  # images are padded to one of these aspects
STRIDE = 8  # and to a multiple of the networks' stride

Size = tuple[int, int]  # height and width


def padded_size(height: int, width: int, side: int) -> Size:
    """The size that an image with the short side `side` is padded to, one of nine."""
    longer = max(height, width)
    sides = [-(-round(side * a) // STRIDE) * STRIDE for a in ASPECTS]
    long = next(side for side in sides if side >= longer)
    return (long, sides[0]) if height > width else (sides[0], long)


def batches(sizes: Sequence[Size], batch: int) -> Iterator[tuple[Size, list[int]]]:
    """A size and the indices of at most `batch` images of it, each index once."""
    for size in dict.fromkeys(sizes):
        members = [index for index, other in enumerate(sizes) if other == size]
        for start in range(0, len(members), batch):
            yield size, members[start : start + batch]


def stack(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], size: Size, batch: int
) -> UInt8[np.ndarray, "{batch} h w 3"]:
    """At most `batch` images, padded to `size` by their last row and column.

    Black images fill up the batch.
    """
    stacked = np.zeros((batch, *size, 3), np.uint8)
    for padded, image in zip(stacked, pictures, strict=False):
        missing = [(0, n - m) for n, m in zip(size, image.shape[:2], strict=True)]
        padded[:] = np.pad(image, [*missing, (0, 0)], mode="edge")
    return stacked


def number(picture: UInt8[np.ndarray, "h w 3"]) -> int:
    """A number of 32 bits that depends on all pixels of a picture."""
    return zlib.crc32(picture.tobytes())
