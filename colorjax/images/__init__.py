"""Picture files and pixels: reading and writing, resizing, drawing.

An image in memory is sRGB and upright: uint8 or uint16, [h, w, 3] or, with alpha,
[h, w, 4]. Only this package imports Pillow, tifffile, imagecodecs, pillow_heif and
rawpy.
"""

import PIL

from colorjax import __version__
from colorjax.images.draw import grid, mark
from colorjax.images.encode import Settings, encode, encode_file, write
from colorjax.images.formats import SUFFIXES, output_format, output_suffix
from colorjax.images.from_pillow import from_pillow, is_pillow
from colorjax.images.icc import SRGB
from colorjax.images.io import (
    MAX_PIXELS,
    Page,
    load_bytes,
    pixel_count,
    read,
    read_file,
    read_full,
    read_page,
)
from colorjax.images.named import CSS_COLORS
from colorjax.images.reduce import Picture, on_white, to_8_bits
from colorjax.images.resample import resize, resize_short, short_size

# Other versions may decode the same bytes to slightly other pixels.
DECODER = f"colorjax {__version__}, Pillow {PIL.__version__}"

__all__ = [
    "CSS_COLORS",
    "DECODER",
    "MAX_PIXELS",
    "SRGB",
    "SUFFIXES",
    "Page",
    "Picture",
    "Settings",
    "encode",
    "encode_file",
    "from_pillow",
    "grid",
    "is_pillow",
    "load_bytes",
    "mark",
    "on_white",
    "output_format",
    "output_suffix",
    "pixel_count",
    "read",
    "read_file",
    "read_full",
    "read_page",
    "resize",
    "resize_short",
    "short_size",
    "to_8_bits",
    "write",
]
