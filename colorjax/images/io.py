"""The reader of picture files.

`read` returns uint8 [h, w, 3]: it reduces 16 bits to 8 and lays transparent pictures on
white. `read_full` keeps 16 bits and alpha, `read_file` also all pages and the metadata.
All apply the EXIF orientation, convert a color profile to sRGB, and convert CMYK, Lab,
palette and grey pictures to RGB.
"""

import contextlib
import io
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import UInt8
from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.images import exif, formats, metadata, pillow, raw, tiff
from colorjax.images.levels import Range
from colorjax.images.metadata import Metadata
from colorjax.images.quiet import QUIET
from colorjax.images.reduce import Picture, on_white, shrink, to_8_bits

MAX_PIXELS = 200_000_000  # larger pictures are refused before they are decoded
MAX_BYTES = 2 << 30  # larger files are refused; room for 16-bit RGBA of `MAX_PIXELS`


class Storage(NamedTuple):
    """How a file stores its picture, for a result of the same format.

    `tables` and `sampling` are those of JPEG, `compression` and `predictor` the numbers
    of TIFF's tags.
    """

    format: str
    tables: list[list[int]] | None = None
    sampling: int = 0
    compression: int = 1
    predictor: int = 1


class Page(NamedTuple):
    """A picture of a file, what the file says of it, and what a user should know."""

    picture: Picture
    metadata: Metadata
    storage: Storage
    notes: list[str]


def read(
    data: bytes, name: str = "picture", short: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Decode the first picture of a file to 8-bit RGB.

    With `short`, a JPEG file is decoded at 1/2, 1/4 or 1/8 of its size, the smallest of
    these with a short side of `short` pixels or more, and what is larger than it need
    be, whatever its format, is reduced by `shrink`.

    Raises `UserError`, with `name` in its message, if the data is not a readable
    picture or has more than `MAX_PIXELS` pixels.
    """
    picture = on_white(to_8_bits(read_page(data, name, short=short).picture))
    return picture if short is None else shrink(picture, short)


def read_full(
    data: bytes, name: str = "picture", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode the first picture of a file and keep its bit depth and alpha.

    Returns uint16 if the file has more than 8 bits per channel, and four channels if it
    has alpha. Raises `UserError`, with `name` in its message, if the data is not a
    readable picture or has more than `max_pixels` pixels.
    """
    return read_page(data, name, max_pixels).picture


def read_page(
    data: bytes,
    name: str = "picture",
    max_pixels: int = MAX_PIXELS,
    short: int | None = None,
) -> Page:
    """The first picture of a file as `read_full` returns it, with its metadata; its
    size may be that of `read` with `short`."""
    pages = _pages(data, name, max_pixels, short=short)
    with _refusing(name), contextlib.closing(pages):
        return next(pages)


def read_file(
    data: bytes,
    name: str = "picture",
    max_pixels: int = MAX_PIXELS,
    levels: Range | None = None,
) -> list[Page]:
    """All pictures of a file, with their metadata.

    `levels` are the samples of a TIFF file that are black and white. Raises `UserError`
    as `read_full` does, and for animations; `max_pixels` is that of all pages together.
    """
    with _refusing(name):
        if data[:4] not in tiff.MAGIC:
            with formats.open_image(data, name) as image:
                if (count := formats.frame_count(image)) > 1:
                    raise UserError(
                        f"{name}: an animation of {count} frames; `colorjax video` "
                        "colorizes videos"
                    )
        return list(_pages(data, name, max_pixels, levels))


def pixel_count(data: bytes) -> int:
    """The number of pixels that the headers declare; 0 if the data is no picture."""
    try:
        with QUIET:
            if data[:4] in tiff.MAGIC:
                with tiff.opened(data) as pages:
                    return sum(_product(page.size) for page in pages)
            with formats.open_image(data, "") as image:
                return image.width * image.height
    except Exception:  # any kind; decoding the file will report it
        return 0


@contextlib.contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Every exception inside becomes a `UserError`."""
    try:
        with QUIET:
            yield
    except UserError:
        raise
    except Exception as error:  # decoders raise exceptions of any kind
        raise UserError(f"{name}: not a readable picture ({reason(error)})") from error


def _pages(
    data: bytes,
    name: str,
    max_pixels: int,
    levels: Range | None = None,
    short: int | None = None,
) -> Generator[Page]:
    """The pictures of a file; each is decoded when it is asked for."""
    if not data:
        raise UserError(f"{name}: the file is empty")
    if data[:4] not in tiff.MAGIC:
        yield _one(data, name, max_pixels, short)
        return
    with tiff.opened(data) as pages:
        _check_size([page.size for page in pages], name, max_pixels)
        if raw.is_raw(pages):
            picture = raw.decode(data, name, max_pixels)
            yield Page(picture, metadata.of_tiff(pages[0].tags), Storage("DNG"), [])
            return
        for page in pages:
            yield _tiff_page(data, page, name, levels)


def _one(data: bytes, name: str, max_pixels: int, short: int | None) -> Page:
    with formats.open_image(data, name) as image:
        _check_size([(image.height, image.width)], name, max_pixels)
        if short is not None:
            formats.reduce_jpeg(image, data, short)
        picture = pillow.decode(image, data)
        tables = getattr(image, "quantization", None)
        sampling = 0
        if tables and isinstance(image, JpegImagePlugin.JpegImageFile):
            sampling = max(0, JpegImagePlugin.get_sampling(image))
        storage = Storage(
            image.format or "", [*tables.values()] if tables else None, sampling
        )
        # ImageOps.exif_transpose fails if any other EXIF tag is broken.
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
        notes = _notes(image, data)
        return Page(
            exif.upright(picture, turn), metadata.of_image(image), storage, notes
        )


def _notes(image: Image.Image, data: bytes) -> list[str]:
    """What a picture of a file loses as it is read."""
    bits = image.info.get("bit_depth", 8)
    if image.format in ("HEIF", "AVIF") and bits > 8:
        return [f"its {bits} bits become 8"]
    if image.format == "PNG" and data[24] == 16 and "transparency" in image.info:
        return ["its 16 bits become 8, because one of its colors is transparent"]
    return []


def _tiff_page(data: bytes, page: tiff.Page, name: str, levels: Range | None) -> Page:
    tags, order = page.tags, page.tags.order
    turn = exif.number(tags.first.get(exif.ORIENTATION, exif.short(1, order)), order)
    plain = _plain_page(data, page) if levels is None and tiff.is_plain(page) else None
    if plain:
        picture, turn, notes = *plain, []
    else:
        picture, notes = tiff.decode(page, name, levels)
    storage = Storage(
        "TIFF", None, 0, int(page.record.compression), int(page.record.predictor)
    )
    return Page(exif.upright(picture, turn), metadata.of_tiff(tags), storage, notes)


def _plain_page(data: bytes, page: tiff.Page) -> tuple[Picture, Any] | None:
    """The pixels that Pillow reads of a page, and how to turn them.

    None if Pillow does not read the kind of the file's first page.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("TIFF",))
    except UnidentifiedImageError:
        return None
    with image:
        image.seek(page.place)
        # In any order: some versions of Pillow turn it by its orientation.
        if sorted((image.height, image.width)) != sorted(page.size):
            raise ValueError("its headers disagree about its size")
        picture = pillow.decode(image, data)
        return picture, image.getexif().get(ExifTags.Base.Orientation, 1)


def _product(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _check_size(sizes: list[tuple[int, int]], name: str, max_pixels: int) -> None:
    """Raise `UserError` if pictures of these (height, width) have too many pixels."""
    if sum(map(_product, sizes)) > max_pixels:
        height, width = max(sizes, key=_product)
        what = f"{width}x{height} pixels are"
        if len(sizes) > 1:
            what = f"the pixels of its {len(sizes)} pages are"
        raise UserError(
            f"{name}: {what} more than the {max_pixels / 1e6:g} million that are read; "
            "make it smaller"
        )


def load_bytes(path: epath.PathLike) -> bytes:
    """The bytes of a picture file, local or in a bucket.

    Raises `UserError` if the file cannot be read or has more than `MAX_BYTES` bytes.
    """
    return files.read_bytes(path, MAX_BYTES)
