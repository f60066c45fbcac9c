"""Pictures with fewer bits, without alpha, and with fewer pixels."""

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

Picture = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]


def to_8_bits(picture: Picture) -> UInt8[np.ndarray, "h w c"]:
    """The picture with 8 bits per channel, rounded."""
    if picture.dtype == np.uint8:
        return picture
    result = np.empty(picture.shape, np.uint8)
    # Row by row, so that no 32-bit copy of the whole picture is in memory.
    for row, levels in zip(result, picture, strict=True):
        row[:] = (levels.astype(np.uint32) + 128) // 257
    return result


def on_white(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture laid on white, without its alpha channel if it has one."""
    if picture.shape[2] == 3:
        return picture
    image = Image.fromarray(picture)
    white = Image.new("RGBA", image.size, "white")
    return np.array(Image.alpha_composite(white, image).convert("RGB"))


def shrink(
    picture: UInt8[np.ndarray, "h w 3"], short: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Means of n x n pixels, with the largest n that leaves a short side of twice
    `short` pixels or more.

    A resize to `short` pixels then gives nearly the same as one of the whole picture.
    """
    n = min(picture.shape[:2]) // (2 * short)
    return np.array(Image.fromarray(picture).reduce(n)) if n > 1 else picture
