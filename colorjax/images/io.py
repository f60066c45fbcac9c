"""The reader and writer of picture files.

`read` returns uint8 [h, w, 3]: it reduces 16 bits to 8 and lays transparent pictures on
white. `read_full` keeps 16 bits and alpha. Both apply the EXIF orientation, convert an
embedded color profile to sRGB, and convert CMYK, palette and grey pictures to RGB.
"""

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from etils import epath
from jaxtyping import UInt8, UInt16
from PIL import ExifTags, Image, UnidentifiedImageError

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.images import high_bit_depth
from colorjax.images.icc import SRGB, flatten_alpha, to_srgb
from colorjax.images.quiet import QUIET

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Pillow's names of their formats. Pillow reads others, too, and starts an interpreter
# for one of them (PostScript).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 200_000_000  # larger pictures are refused before they are decoded
MAX_BYTES = 2 << 30  # larger files are refused; room for 16-bit RGBA of `MAX_PIXELS`
WITH_ALPHA = ("PNG", "TIFF", "WEBP")
OPTIONS = {  # Pillow's default PNG level, 6, saves a tenth and takes twice the time
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
    "PNG": {"compress_level": 3},
}

TURNS = {  # by EXIF orientation: (swap rows and columns, reverse rows, reverse columns)
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
    """Decode an encoded picture to 8-bit RGB.

    Raises `UserError`, with `name` in its message, if the data is not a readable
    picture or has more than `MAX_PIXELS` pixels.
    """
    with _open(data, name, MAX_PIXELS) as image:
        image.load()
        return np.array(_upright(np.asarray(to_srgb(image)), image))


def read_full(
    data: bytes, name: str = "picture", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode an encoded picture and keep its bit depth and alpha.

    Returns uint16 if the file has 16 bits per channel, and four channels if it has
    alpha. Raises `UserError`, with `name` in its message, if the data is not a readable
    picture or has more than `max_pixels` pixels.
    """
    with _open(data, name, max_pixels) as image:
        if kind := high_bit_depth.deep_format(image, data):
            profile = image.info.get("icc_profile")
            size = (image.height, image.width)
            picture = high_bit_depth.decode(data, kind, size, profile, SRGB.tobytes())
        else:
            image.load()
            picture = np.asarray(to_srgb(image, opaque=False))
        return np.ascontiguousarray(_upright(picture, image))


def pixel_count(data: bytes) -> int:
    """The number of pixels that the header declares; 0 if the data is no picture."""
    try:
        with QUIET, Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # any kind; decoding the file will report it
        return 0


@contextlib.contextmanager
def _open(data: bytes, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """The opened file, not yet decoded. Every exception becomes a `UserError`."""
    if not data:
        raise UserError(f"{name}: the file is empty")
    try:
        with QUIET, Image.open(io.BytesIO(data), formats=FORMATS) as image:
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
    except Exception as error:  # decoders raise exceptions of any kind
        raise UserError(f"{name}: not a readable picture ({reason(error)})") from error


def _upright(picture: np.ndarray, image: Image.Image) -> np.ndarray:
    """A view of the picture, turned upright by the file's EXIF orientation."""
    # ImageOps.exif_transpose fails if any other EXIF tag is broken.
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    if turn is None:
        return picture
    swapped, *reversed_ = turn
    if swapped:
        picture = picture.swapaxes(0, 1)
    return picture[tuple(slice(None, None, -1 if r else 1) for r in reversed_)]


def load_bytes(path: epath.PathLike) -> bytes:
    """The bytes of a picture file, local or in a bucket.

    Raises `UserError` if the file cannot be read or has more than `MAX_BYTES` bytes.
    """
    return files.read_bytes(path, MAX_BYTES)


def to_8_bits(picture: Picture) -> UInt8[np.ndarray, "h w c"]:
    """The picture with 8 bits per channel, rounded."""
    if picture.dtype == np.uint8:
        return picture
    result = np.empty(picture.shape, np.uint8)
    # Row by row, so that no 32-bit copy of the whole picture is in memory.
    for row, levels in zip(result, picture, strict=True):
        row[:] = (levels.astype(np.uint32) + 128) // 257
    return result


def on_white(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture laid on white, without its alpha channel if it has one."""
    if picture.shape[2] == 3:
        return picture
    return np.array(flatten_alpha(Image.fromarray(picture)))


def write(path: epath.PathLike, picture: Picture) -> None:
    """Write a picture, tagged as sRGB, in the format that the suffix names.

    The file appears under its name only when it is complete. Raises `UserError` if the
    suffix names no format that can be written, or if the file cannot be written.
    """
    files.write_bytes(path, encode(picture, output_format(path)))


def encode(picture: Picture, kind: str) -> bytes:
    """The bytes of a picture file, tagged as sRGB. `kind` is Pillow's format name.

    PNG and TIFF keep 16 bits; other formats get 8. PNG, TIFF and WebP keep alpha; for
    other formats the picture is laid on white.
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


def output_format(path: epath.PathLike) -> str:
    """Pillow's name of the format that the suffix of `path` names.

    Raises `UserError` if the suffix names no format that can be written.
    """
    suffix = epath.Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if suffix not in SUFFIXES or kind not in Image.SAVE:
        raise UserError(f"{path}: cannot write '{suffix}' files; use .png or .jpg")
    return kind
