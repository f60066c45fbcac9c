"""Raw photographs, DNG, developed by LibRaw (rawpy, extra `formats`)."""

import io

import numpy as np
from jaxtyping import UInt16

from colorjax.errors import UserError, install_hint
from colorjax.images.tiff import Page

DNG_VERSION = 50706


def is_raw(pages: list[Page]) -> bool:
    """Whether the pages of a TIFF file are those of DNG."""
    return DNG_VERSION in pages[0].tags.first


def decode(data: bytes, name: str, max_pixels: int) -> UInt16[np.ndarray, "h w 3"]:
    """The photograph in sRGB, with the white balance of the camera, upright.

    Raises `UserError` if it has more than `max_pixels` pixels or rawpy is missing, and
    exceptions of any kind.
    """
    try:
        import rawpy
    except ImportError as error:
        raise UserError(
            f"{name}: DNG files need rawpy: {install_hint('formats')}"
        ) from error
    with rawpy.imread(io.BytesIO(data)) as photograph:
        sizes = photograph.sizes
        if sizes.raw_width * sizes.raw_height > max_pixels:
            raise UserError(
                f"{name}: {sizes.raw_width}x{sizes.raw_height} pixels are more than "
                f"the {max_pixels / 1e6:g} million that are read"
            )
        return photograph.postprocess(
            use_camera_wb=True, output_bps=16, no_auto_bright=True
        )
