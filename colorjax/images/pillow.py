"""Pictures that a program holds as Pillow's images: `is_pillow`, `from_pillow`."""

from typing import TypeGuard

import numpy as np
from PIL import Image

from colorjax.images.icc import to_srgb
from colorjax.images.io import Picture

DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # modes of 16 bits


def is_pillow(value: object) -> TypeGuard[Image.Image]:
    """Whether the value is an image of Pillow."""
    return isinstance(value, Image.Image)


def from_pillow(image: Image.Image) -> Picture:
    """The pixels of an image of Pillow, in sRGB; 16 bits and alpha are kept.

    Raises `TypeError` for the modes "I" and "F", whose levels have no known range.
    """
    if image.mode in ("I", "F"):
        raise TypeError(
            f"a picture in Pillow's mode {image.mode} has levels of no known range; "
            "convert it to L, RGB or I;16"
        )
    if image.mode in DEEP:
        grey = np.asarray(image).astype(np.uint16)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(to_srgb(image, opaque=False))
