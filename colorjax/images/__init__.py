"""Picture files and pixels: reading and writing, resizing, drawing.

An image in memory is sRGB and upright: uint8 or uint16, [h, w, 3] or, with alpha,
[h, w, 4]. Only this package imports Pillow, tifffile and imagecodecs.
"""

from colorjax.images.draw import grid, mark
from colorjax.images.icc import SRGB
from colorjax.images.io import (
    MAX_PIXELS,
    SUFFIXES,
    Picture,
    encode,
    load_bytes,
    on_white,
    output_format,
    pixel_count,
    read,
    read_full,
    to_8_bits,
    write,
)
from colorjax.images.pillow import from_pillow, is_pillow
from colorjax.images.resample import resize, resize_short, short_size

__all__ = [
    "MAX_PIXELS",
    "SRGB",
    "SUFFIXES",
    "Picture",
    "encode",
    "from_pillow",
    "grid",
    "is_pillow",
    "load_bytes",
    "mark",
    "on_white",
    "output_format",
    "pixel_count",
    "read",
    "read_full",
    "resize",
    "resize_short",
    "short_size",
    "to_8_bits",
    "write",
]
