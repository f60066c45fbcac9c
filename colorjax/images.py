"""The only reader and writer of picture files: `read`, `write`, `resize`, `grid`.

A picture in memory is uint8 [h, w, 3], sRGB, upright. Reading applies the EXIF
orientation, converts an embedded colour profile to sRGB, brings CMYK, palette, grey and
16-bit pictures to 8-bit RGB, and lays transparent ones on white.
"""

import io
import warnings

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageCms, ImageDraw, UnidentifiedImageError

from colorjax import files
from colorjax.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MAX_PIXELS = 200_000_000  # a larger picture is refused before it is decoded

# Our own bound, above, is checked on the header; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None
# Of broken metadata it warns too, and no pixel needs those.
warnings.filterwarnings("ignore", module="PIL")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
TURNS = {  # from the EXIF orientation to what brings the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(data: bytes, name: str = "picture") -> UInt8[np.ndarray, "h w 3"]:
    """Decode an encoded picture. Raises `UserError`, naming `name`, where it cannot."""
    if not data:
        raise UserError(f"{name}: the file is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{name}: {image.width}x{image.height} pixels are more than the "
                    f"{MAX_PIXELS // 10**6} million that are read; make it smaller"
                )
            image.load()
            # ImageOps.exif_transpose would fail where any other EXIF tag is broken.
            turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
            picture = _to_srgb(image)
            return np.array(picture if turn is None else picture.transpose(turn))
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not a picture of a known format") from error
    except Exception as error:  # Pillow's decoders raise whatever the file provokes
        raise UserError(f"{name}: not a readable picture ({error})") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that is broken, or of another colour space, says nothing
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16-bit integers, or of floats up to 1 or up to 255."""
    levels = np.nan_to_num(np.asarray(image, np.float32))
    if image.mode != "F":
        levels /= 65535
        tags = getattr(image, "tag_v2", {})
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            levels = 1 - levels  # white is 0, which Pillow minds in 8 bits only
    elif levels.max() > 1:
        levels /= 255
    return Image.fromarray(np.uint8(np.round(255 * levels.clip(0, 1))))


def load(path: epath.PathLike) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture file. Raises `UserError`, naming it, where it cannot."""
    try:
        data = epath.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    return read(data, str(path))


def resize(
    picture: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w"],
    size: tuple[int, int],
    part: tuple[int, int, int, int] | None = None,
) -> UInt8[np.ndarray, "h2 w2 3"] | Float[np.ndarray, "h2 w2"]:
    """Bilinear resize to `size` = (height, width), antialiased where it shrinks.

    Only the rectangle `part` = (top, left, height, width) of the result is made.
    """
    top, left, height, width = part or (0, 0, *size)
    if picture.shape[:2] == tuple(size):
        return picture[top : top + height, left : left + width]
    y, x = picture.shape[0] / size[0], picture.shape[1] / size[1]
    box = (left * x, top * y, (left + width) * x, (top + height) * y)
    image = Image.fromarray(picture)
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR, box))


def short_size(
    picture: UInt8[np.ndarray, "h w 3"], side: int, longest: int | None = None
) -> tuple[int, int]:
    """(height, width) with a short side of `side`, a long one of at most `longest`."""
    h, w = picture.shape[:2]
    scale = side / min(h, w)
    if longest is not None:
        scale = min(scale, longest / max(h, w))
    return max(1, round(h * scale)), max(1, round(w * scale))


def resize_short(
    picture: UInt8[np.ndarray, "h w 3"], side: int, longest: int | None = None
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Resize to `short_size`."""
    return resize(picture, short_size(picture, side, longest))


def write(path: epath.PathLike, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write a picture, tagged sRGB, in the suffix's format; whole or not at all."""
    files.write_bytes(path, encode(picture, writable(path)))


def encode(picture: UInt8[np.ndarray, "h w 3"], kind: str) -> bytes:
    """The picture, tagged sRGB, as the bytes of a file of a format of Pillow's."""
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    encoded = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(encoded, kind, icc_profile=SRGB.tobytes(), **options)
    return encoded.getvalue()


def writable(path: epath.PathLike) -> str:
    """The format that the suffix of `path` names, or `UserError` where none does."""
    suffix = epath.Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if suffix not in SUFFIXES or kind not in Image.SAVE:
        raise UserError(f"{path}: cannot write '{suffix}' files; use .png or .jpg")
    return kind


def grid(
    columns: list[tuple[str, list[UInt8[np.ndarray, "h w 3"]]]], margin: int = 4
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A table of pictures of one size: its columns, each a title and its pictures."""
    height, width = columns[0][1][0].shape[:2]
    rows = max(len(pictures) for _, pictures in columns)
    top = 16
    size = (
        len(columns) * (width + margin) + margin,
        rows * (height + margin) + margin + top,
    )
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for column, (title, pictures) in enumerate(columns):
        left = margin + column * (width + margin)
        draw.text((left, margin), title, fill="black")
        for row, picture in enumerate(pictures):
            place = (left, top + margin + row * (height + margin))
            page.paste(Image.fromarray(picture), place)
    return np.array(page)
