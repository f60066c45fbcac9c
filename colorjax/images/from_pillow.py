"""Pictures that a program holds as Pillow's images: `is_pillow`, `from_pillow`."""

from typing import TypeGuard

from PIL import Image

from colorjax.images import pillow
from colorjax.images.reduce import Picture


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
    return pillow.decode(image.copy(), b"")  # a copy has no file to read deeper from
