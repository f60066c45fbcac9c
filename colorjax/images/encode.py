"""The writer of picture files: pixels and metadata to bytes, always tagged as sRGB."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import UInt8
from PIL import Image

from colorjax import files
from colorjax.errors import UserError
from colorjax.images import exif, metadata, png, tiff_writer
from colorjax.images.formats import output_format
from colorjax.images.icc import SRGB
from colorjax.images.io import Page, Storage
from colorjax.images.metadata import Metadata
from colorjax.images.reduce import Picture, on_white, to_8_bits

WITH_ALPHA = ("AVIF", "PNG", "TIFF", "WEBP")
DEEP = ("PNG", "TIFF")  # hold 16 bits
QUALITY = 95
MAX_SEGMENT = 65_500  # bytes of EXIF, XMP or IPTC in a JPEG file
HOLDS = {  # the fields of `Metadata` that a format has a place for
    "JPEG": {"exif", "xmp", "iptc", "dpi", "comment"},
    "PNG": {"exif", "xmp", "iptc", "dpi", "texts"},
    "TIFF": {"exif", "xmp", "iptc", "dpi"},
    "WEBP": {"exif", "xmp"},
    "AVIF": {"exif", "xmp"},
    "BMP": {"dpi"},
    "GIF": {"comment"},
}
NAMES = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "dpi": "resolution"}


class Settings(NamedTuple):
    """How to write a file.

    `quality` is that of JPEG, WebP and AVIF, 1 to 100; None takes over the tables of a
    JPEG source, or else is 95. `metadata` keeps what the source says, and `mark` says
    in XMP that a model predicted the colors.
    """

    quality: int | None = None
    metadata: bool = True
    mark: bool = True


class Encoded(NamedTuple):
    """The bytes of a file, and what it does not hold of its source."""

    data: bytes
    notes: list[str]


def write(path: epath.PathLike, picture: Picture) -> None:
    """Write a picture, tagged as sRGB, in the format that the suffix names.

    The file appears under its name only when it is complete. Raises `UserError` if the
    suffix names no format that can be written, or if the file cannot be written.
    """
    files.write_bytes(path, encode(picture, output_format(path)))


def encode(picture: Picture, kind: str) -> bytes:
    """The bytes of a picture file, tagged as sRGB. `kind` is Pillow's format name.

    PNG and TIFF keep 16 bits; other formats get 8. AVIF, PNG, TIFF and WebP keep alpha;
    for other formats the picture is laid on white.
    """
    page = Page(picture, Metadata(), Storage(""), [])
    return _encode([page], kind, Settings())


def encode_file(
    pages: Sequence[Page], kind: str, settings: Settings, name: str
) -> Encoded:
    """The bytes of a file of colorized pages, with the metadata of their sources.

    `name` is that of the source in messages. Raises `UserError` if the format holds one
    page only and there are more.
    """
    if len(pages) > 1 and kind != "TIFF":
        raise UserError(
            f"{name}: {len(pages)} pages, and {kind} files hold one; use --format tif"
        )
    notes: dict[str, None] = {}
    updated = []
    for page in pages:
        height, width = page.picture.shape[:2]
        own = metadata.updated(
            page.metadata, (width, height), not settings.metadata, settings.mark
        )
        own, lost = _fitting(own, kind)
        if page.picture.dtype == np.uint16 and kind not in DEEP:
            lost.append(f"its 16 bits become 8 in {kind}")
        if page.picture.shape[2] == 4 and kind not in WITH_ALPHA:
            lost.append(f"{kind} holds no alpha; it is laid on white")
        notes |= dict.fromkeys(lost)
        updated.append(page._replace(metadata=own))
    return Encoded(_encode(updated, kind, settings), list(notes))


def _fitting(own: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """The metadata that a format holds, and notes on the rest."""
    lost, notes = {}, []
    holds = HOLDS[kind]
    if "exif" in holds and exif.dots_per_inch(own.exif):
        holds = holds | {"dpi"}
    for field, value in own._asdict().items():
        content = any(value[1:]) if field == "exif" else bool(value)
        if not content:
            continue
        size = len(exif.write_block(value)) if field == "exif" else len(value)
        too_long = kind == "JPEG" and field in NAMES and size > MAX_SEGMENT
        if field not in holds or too_long:
            lost[field] = Metadata._field_defaults[field]
            names_software_only = field == "exif" and len(value.first) <= 2
            if not (names_software_only and not value.exif and not value.gps):
                notes.append(f"{kind} does not hold its {NAMES.get(field, field)}")
    return own._replace(**lost), notes


def _encode(pages: Sequence[Page], kind: str, settings: Settings) -> bytes:
    if kind == "TIFF":
        quality = settings.quality or QUALITY
        return tiff_writer.encode(
            [(page.picture, page.metadata, page.storage) for page in pages], quality
        )
    (page,) = pages
    if kind == "PNG":
        return png.encode(page.picture, page.metadata)
    picture = to_8_bits(page.picture)
    if kind not in WITH_ALPHA:
        picture = on_white(picture)
    return _by_pillow(picture, kind, page, settings.quality)


def _by_pillow(
    picture: UInt8[np.ndarray, "h w c"], kind: str, page: Page, quality: int | None
) -> bytes:
    own = page.metadata
    options: dict[str, Any] = {"icc_profile": SRGB.tobytes()}
    if kind == "AVIF":  # Pillow would write all of EXIF anew and spoil its text
        own.exif.first.pop(exif.ORIENTATION, None)
    if any(own.exif[1:]):
        options["exif"] = b"Exif\0\0" * (kind == "JPEG") + exif.write_block(own.exif)
    for field in ("xmp", "dpi", "comment"):
        if (value := getattr(own, field)) and field in HOLDS[kind]:
            options[field] = value
    if kind == "JPEG":
        options |= _jpeg_options(page.storage, quality)
        if own.iptc:
            block = metadata.iptc_resource(own.iptc)
            options["extra"] = b"\xff\xed" + (len(block) + 2).to_bytes(2) + block
    elif kind in ("WEBP", "AVIF"):
        options["quality"] = quality or QUALITY
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, kind, **options)
    return encoded.getvalue()


def _jpeg_options(storage: Storage, quality: int | None) -> dict[str, Any]:
    """The source's tables and sampling where it is a JPEG file, or the quality."""
    if quality is None and storage.tables:
        return {"qtables": storage.tables[:2], "subsampling": storage.sampling}
    return {"quality": quality or QUALITY, "subsampling": 0}
