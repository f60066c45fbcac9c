"""The images that a network sees: pictures at working size, in batches of one size.

Each size needs a program of its own, which is compiled when it is first used. So
pictures of any aspect ratio are padded to one of nine sizes. `number` chooses the noise
of a picture.
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from colorjax import images
from colorjax.images import Picture

ASPECTS = (1.0, 4 / 3, 3 / 2, 2.0, 4.0)  # images are padded to one of these aspects
STRIDE = 8  # and to a multiple of the networks' stride

Size = tuple[int, int]  # height and width


def to_working_size(picture: Picture, side: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture with a short side of `side` pixels, in 8 bits, laid on white."""
    longest = round(side * ASPECTS[-1])
    small = images.resize_short(images.to_8_bits(picture), side, longest)
    return images.on_white(small)


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


def crop(
    shape: Size,
    lightness: Float[np.ndarray, "h w"],
    ab: Float[np.ndarray, "h w 2"],
    logits: Float[np.ndarray, "h2 w2 q"] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """The output of a network for an image of a `shape`, without its padding.

    The last value is the stride of the logits in pixels.
    """
    height, width = shape
    stride = 1
    if logits is not None:
        stride = len(ab) // len(logits)
        # One sample beyond the last pixel, because colors are interpolated.
        logits = logits[: (height - 1) // stride + 2, : (width - 1) // stride + 2]
    return lightness[:height, :width], ab[:height, :width], logits, stride


def number(picture: UInt8[np.ndarray, "h w 3"]) -> int:
    """A number of 32 bits that depends on all pixels of a picture."""
    return zlib.crc32(picture.tobytes())
