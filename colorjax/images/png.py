"""PNG files: samples of 16 bits, which Pillow reads as 8, and chunks of metadata."""

import struct
import zlib

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from colorjax.images import exif as exif_tags
from colorjax.images import icc
from colorjax.images.metadata import Metadata, iptc_resource

LEVEL = 3  # of compression; 6, the usual one, saves a tenth and takes twice the time
HEADER = 8 + 25  # bytes of the signature and IHDR


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether `decode` reads more of a PNG file than Pillow: 16 bits, no color key."""
    return image.format == "PNG" and data[24] == 16 and "transparency" not in image.info


def profile(image: Image.Image, grey: bool) -> bytes | None:
    """The ICC profile of a PNG file: iCCP, or what gAMA and cHRM say without sRGB."""
    info = image.info
    if "icc_profile" in info or "srgb" in info:
        return info.get("icc_profile")
    return icc.png_profile(info.get("gamma"), info.get("chromaticity"), grey)


def decode(data: bytes) -> UInt16[np.ndarray, "h w c"]:
    """The samples of a file of 16 bits. Raises exceptions of any kind."""
    import imagecodecs

    return np.atleast_3d(imagecodecs.png_decode(data))


def encode(
    picture: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"],
    metadata: Metadata,
) -> bytes:
    """The bytes of a file of 8 or 16 bits, tagged as sRGB, with its metadata."""
    import imagecodecs

    pixels = np.ascontiguousarray(picture)
    png = bytes(imagecodecs.png_encode(pixels, level=LEVEL))
    return png[:HEADER] + b"".join(_chunks(metadata)) + png[HEADER:]


def _chunks(metadata: Metadata) -> list[bytes]:
    """The chunks before the pixels (PNG specification, third edition, 11.3)."""
    icc_body = b"sRGB\0\0" + zlib.compress(icc.SRGB.tobytes())
    chunks = [_chunk(b"iCCP", icc_body)]
    if metadata.dpi:
        per_meter = (round(value / 0.0254) for value in metadata.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1)))
    if any(metadata.exif[1:]):
        chunks.append(_chunk(b"eXIf", exif_tags.write_block(metadata.exif)))
    if metadata.xmp:
        chunks.append(_text("XML:com.adobe.xmp", metadata.xmp))
    if metadata.iptc:
        block = iptc_resource(metadata.iptc)[14:]  # without its signature
        profile = f"\niptc\n{len(block):8}\n{block.hex()}\n"
        chunks.append(_text("Raw profile type iptc", profile.encode()))
    for key, value in metadata.texts:
        chunks.append(_text(key, value.encode()))
    return chunks


def _text(key: str, value: bytes) -> bytes:
    """An iTXt chunk, not compressed; text of Latin-1's ASCII becomes tEXt."""
    name = key.encode("latin-1", "replace")[:79]
    if value.isascii() and key != "XML:com.adobe.xmp":
        return _chunk(b"tEXt", name + b"\0" + value)
    return _chunk(b"iTXt", name + b"\0\0\0\0\0" + value)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check
