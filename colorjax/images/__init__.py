"""The only reader and writer of picture files: `read`, `read_full`, `write`, `resize`,
`grid`.

A picture in memory is sRGB, upright, uint8 [h, w, 3] if `read` and also uint16 or, with
alpha, of four channels if `read_full`. Reading applies the EXIF orientation, converts
an embedded colour profile to sRGB and brings CMYK, palette and grey pictures to RGB;
`read` brings 16 bits to 8 and lays transparent pictures on white.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
from etils import epath
from jaxtyping import UInt8, UInt16
from PIL import ExifTags, Image, UnidentifiedImageError

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.images import high_bit_depth
from colorjax.images.draw import grid, mark
from colorjax.images.icc import SRGB, to_srgb, white_behind
from colorjax.images.resample import resize, resize_short, short_size

__all__ = [
    "encode",
    "grid",
    "load",
    "load_bytes",
    "mark",
    "on_white",
    "pixels",
    "read",
    "read_full",
    "resize",
    "resize_short",
    "short_size",
    "to_8_bits",
    "writable",
    "write",
]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# The formats of these, in Pillow's names. It knows others, and to read one of them
# (PostScript) it starts an interpreter.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 200_000_000  # a larger picture is refused before it is decoded
MAX_BYTES = 2 << 30  # and a larger file before it is read: 16-bit RGBA of so many
WITH_ALPHA = ("PNG", "TIFF", "WEBP")
OPTIONS = {  # of Pillow's encoders; PNG's usual 6 saves a tenth for twice the time
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
    "PNG": {"compress_level": 3},
}

# Our own bound, above, is checked on the header; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None
# Of broken metadata it warns too, and no pixel needs those; or it logs, like others.
warnings.filterwarnings("ignore", module="PIL")
for _library in ("PIL", "imagecodecs", "tifffile"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)

TURNS = {  # from the EXIF orientation: rows and columns swapped; then each reversed
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

Picture = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]


def read(data: bytes, name: str = "picture") -> UInt8[np.ndarray, "h w 3"]:
    """Decode an encoded picture. Raises `UserError`, naming `name`, where it cannot."""
    with _opened(data, name, MAX_PIXELS) as image:
        image.load()
        return np.array(_upright(np.asarray(to_srgb(image)), image))


def read_full(
    data: bytes, name: str = "picture", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode an encoded picture with all that it has.

    uint16 where the file has 16 bits a channel, four channels where it has alpha.
    Raises `UserError`, naming `name`, where it cannot, or where there are more than
    `max_pixels`.
    """
    with _opened(data, name, max_pixels) as image:
        if high_bit_depth.is_deep(image, data):
            profile = image.info.get("icc_profile")
            size = (image.height, image.width)
            picture = high_bit_depth.decode(
                data, image.format, size, profile, SRGB.tobytes()
            )
        else:
            image.load()
            picture = np.asarray(to_srgb(image, opaque=False))
        return np.ascontiguousarray(_upright(picture, image))


def pixels(data: bytes) -> int:
    """How many pixels the header announces; 0 where there is no picture."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # whatever the file provokes, decoding it will tell
        return 0


@contextlib.contextmanager
def _opened(data: bytes, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """The file, not yet decoded; what goes wrong inside becomes a `UserError`."""
    if not data:
        raise UserError(f"{name}: the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise UserError(
                    f"{name}: {image.width}x{image.height} pixels are more than the "
                    f"{max_pixels / 1e6:g} million that are read; make it smaller"
                )
            yield image
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not a picture of a known format") from error
    except Exception as error:  # decoders raise whatever the file provokes
        raise UserError(f"{name}: not a readable picture ({reason(error)})") from error


def _upright(picture: np.ndarray, image: Image.Image) -> np.ndarray:
    """The picture turned as its file says, as a view."""
    # ImageOps.exif_transpose would fail where any other EXIF tag is broken.
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    if turn is None:
        return picture
    swapped, *reversed_ = turn
    if swapped:
        picture = picture.swapaxes(0, 1)
    return picture[tuple(slice(None, None, -1 if r else 1) for r in reversed_)]


def load(path: epath.PathLike) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture file. Raises `UserError`, naming it, where it cannot."""
    return read(load_bytes(path), str(path))


def load_bytes(path: epath.PathLike) -> bytes:
    """The bytes of a file. Raises `UserError`, naming it, where there are none, or more
    than `MAX_BYTES`."""
    return files.read_bytes(path, MAX_BYTES)


def to_8_bits(picture: Picture) -> UInt8[np.ndarray, "h w c"]:
    """The picture with 8 bits a channel, rounded."""
    if picture.dtype == np.uint8:
        return picture
    result = np.empty(picture.shape, np.uint8)
    for row, levels in zip(
        result, picture, strict=True
    ):  # no copy of it all in 32 bits
        row[:] = (levels.astype(np.uint32) + 128) // 257
    return result


def on_white(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture without its alpha, if it has any: laid on white."""
    if picture.shape[2] == 3:
        return picture
    return np.array(white_behind(Image.fromarray(picture)))


def write(path: epath.PathLike, picture: Picture) -> None:
    """Write a picture, tagged sRGB, in the suffix's format; whole or not at all."""
    files.write_bytes(path, encode(picture, writable(path)))


def encode(picture: Picture, kind: str) -> bytes:
    """The picture, tagged sRGB, as the bytes of a file of a format of Pillow's.

    PNG and TIFF keep 16 bits; they and WebP keep alpha, the others get white instead.
    """
    if picture.dtype == np.uint16 and kind in high_bit_depth.KINDS:
        return high_bit_depth.encode(picture, kind, SRGB.tobytes())
    picture = to_8_bits(picture)
    if kind not in WITH_ALPHA:
        picture = on_white(picture)
    encoded = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(encoded, kind, icc_profile=SRGB.tobytes(), **OPTIONS.get(kind, {}))
    return encoded.getvalue()


def writable(path: epath.PathLike) -> str:
    """The format that the suffix of `path` names, or `UserError` where none does."""
    suffix = epath.Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if suffix not in SUFFIXES or kind not in Image.SAVE:
        raise UserError(f"{path}: cannot write '{suffix}' files; use .png or .jpg")
    return kind
