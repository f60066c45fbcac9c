"""Writing TIFF files: pages of 8 or 16 bits with their tags, in one file."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8, UInt16

from colorjax.images import exif
from colorjax.images.icc import SRGB
from colorjax.images.metadata import Metadata

if TYPE_CHECKING:
    from colorjax.images.io import Storage

# The numbers of TIFF's tag Compression that lose nothing, and tifffile's names.
LOSSLESS = {
    5: "lzw",
    8: "zlib",
    32946: "zlib",
    32773: "packbits",
    50000: "zstd",
}
NONE, JPEG = 1, 7
# What tifffile writes by itself, or is given as an argument.
OWN = {282, 283, 296, exif.SOFTWARE, exif.EXIF, exif.GPS}
UNITS = 1, exif.INCH, exif.CENTIMETER
NO_TAG = exif.Tag(0, b"")


def encode(
    pages: Sequence[
        tuple[
            UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"],
            Metadata,
            "Storage",
        ]
    ],
    quality: int,
) -> bytes:
    """The bytes of a file of pages, tagged as sRGB, with the compression of the source.

    What compresses only two levels becomes Deflate. `quality` is that of JPEG.
    """
    import tifffile

    order = pages[0][1].exif.order
    encoded = io.BytesIO()
    with tifffile.TiffWriter(encoded, byteorder=order) as writer:
        for picture, metadata, storage in pages:
            writer.write(
                picture,
                photometric="rgb",
                extrasamples=["unassalpha"] if picture.shape[2] == 4 else None,
                iccprofile=SRGB.tobytes(),
                metadata=None,
                extratags=_extra_tags(metadata, order),
                **_software(metadata),
                **_resolution(metadata),
                **_compression(storage, picture, quality),
            )
    for index, (_, metadata, _) in enumerate(pages):
        _append_directories(encoded, index, metadata, order)
    return encoded.getvalue()


def _software(metadata: Metadata) -> dict[str, Any]:
    tag = metadata.exif.first.get(exif.SOFTWARE)
    return {"software": tag.data.rstrip(b"\0") if tag else False}


def _resolution(metadata: Metadata) -> dict[str, Any]:
    first, order = metadata.exif.first, metadata.exif.order
    if all(first.get(code, NO_TAG).type == exif.RATIONAL for code in (282, 283)):
        x, y = (
            tuple(int(v) for v in np.frombuffer(first[tag].data, order + "u4")[:2])
            for tag in (282, 283)
        )
        if not x[1] or not y[1]:  # the resolution is unknown
            return {}
        unit = exif.number(first.get(296, exif.short(exif.INCH, order)), order)
        return {"resolution": (x, y), "resolutionunit": unit if unit in UNITS else 1}
    if metadata.dpi:
        return {"resolution": metadata.dpi, "resolutionunit": exif.INCH}
    return {}


def _compression(storage: "Storage", picture: np.ndarray, quality: int) -> dict:
    number = storage.compression
    if number == NONE:
        return {}
    if number == JPEG and picture.dtype == np.uint8 and picture.shape[2] == 3:
        return {"compression": "jpeg", "compressionargs": {"level": quality}}
    name = LOSSLESS.get(number, "zlib")
    predictor = storage.predictor == 2 and name != "packbits"
    return {"compression": name, "predictor": predictor}


def _extra_tags(metadata: Metadata, order: str) -> list[tuple]:
    """The tags as tifffile takes them: number, type, count, bytes, first page only."""
    tags = dict(metadata.exif.first)
    if order != metadata.exif.order:
        tags = {}  # of a page in another file order
    for code, data in ((exif.XMP, metadata.xmp), (exif.IPTC, metadata.iptc)):
        if data:
            tags[code] = exif.Tag(1, data)
    result = [
        (code, tag.type, len(tag.data) // exif.TYPE_SIZES[tag.type], tag.data, False)
        for code, tag in tags.items()
        if code not in OWN
    ]
    for code in _below(metadata):
        result.append((code - 1, exif.LONG, 1, bytes(4), False))
    return result


def _below(metadata: Metadata) -> dict[int, exif.Directory]:
    """The EXIF and GPS directories that have content."""
    both = {exif.EXIF: metadata.exif.exif, exif.GPS: metadata.exif.gps}
    return {code: directory for code, directory in both.items() if directory}


def _append_directories(
    encoded: io.BytesIO, index: int, metadata: Metadata, order: str
) -> None:
    """Write a page's EXIF and GPS directories to the end, and their places in its tags.

    tifffile writes no directories below a page's own and refuses their tags, so the
    file has tags with the numbers before theirs, which nothing else uses.
    """
    import tifffile

    for code, directory in _below(metadata).items():
        encoded.seek(0, io.SEEK_END)
        encoded.write(bytes(encoded.tell() % 2))
        offset = encoded.tell()
        encoded.write(exif.pack(directory, order, offset))
        encoded.seek(0)
        with tifffile.TiffFile(encoded, mode="r+") as file:
            tag = file.pages.get(index).aspage().tags[code - 1]
            encoded.seek(tag.offset)
            encoded.write(exif.short(code, order).data)
            encoded.seek(tag.valueoffset)
            encoded.write(exif.long(offset, order).data)
