"""The only reader and writer of picture files: `read`, `write`, `resize`, `grid`.

A picture in memory is uint8 [h, w, 3], sRGB, upright. Reading applies the EXIF
orientation, converts an embedded colour profile to sRGB, brings CMYK, palette, grey and
16-bit pictures to 8-bit RGB, and lays transparent ones on white.
"""

import io

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image, ImageCms, ImageDraw, ImageOps

from colorjax import files
from colorjax.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MAX_PIXELS = 200_000_000  # a larger picture is refused before it is decoded

# Our own bound, above, is checked on the header; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def read(data: bytes, name: str = "picture") -> UInt8[np.ndarray, "h w 3"]:
    """Decode an encoded picture. Raises `UserError`, naming `name`, where it cannot."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{name}: {image.width}x{image.height} pixels are more than the "
                    f"{MAX_PIXELS // 10**6} million that are read; make it smaller"
                )
            image.load()
            return np.array(_to_srgb(ImageOps.exif_transpose(image)))
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the file provokes
        raise UserError(f"{name}: not a readable picture ({error})") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit and wider grey
        levels = np.asarray(image, np.float32)
        scale = 255 / 65535 if image.mode.startswith("I") else 1.0
        levels = np.clip(np.round(levels * scale), 0, 255).astype(np.uint8)
        image = Image.fromarray(levels)
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


def resize(
    picture: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w"],
    size: tuple[int, int],
) -> UInt8[np.ndarray, "h2 w2 3"] | Float[np.ndarray, "h2 w2"]:
    """Bilinear resize to `size` = (height, width), antialiased where it shrinks."""
    if picture.shape[:2] == tuple(size):
        return picture
    image = Image.fromarray(picture)
    return np.array(image.resize(size[::-1], Image.Resampling.BILINEAR))


def resize_short(
    picture: UInt8[np.ndarray, "h w 3"], side: int, longest: int | None = None
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Resize so that the short side is `side`, but the long one at most `longest`."""
    h, w = picture.shape[:2]
    scale = side / min(h, w)
    if longest is not None:
        scale = min(scale, longest / max(h, w))
    return resize(picture, (max(1, round(h * scale)), max(1, round(w * scale))))


def write(path: epath.PathLike, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write a picture, tagged sRGB, in the format of the suffix; all of it or nothing."""
    kind = writable(path)
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    encoded = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(encoded, kind, icc_profile=SRGB.tobytes(), **options)
    files.write_bytes(path, encoded.getvalue())


def writable(path: epath.PathLike) -> str:
    """The format that the suffix of `path` names, or `UserError` where none does."""
    suffix = epath.Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if suffix not in SUFFIXES or kind not in Image.SAVE:
        raise UserError(f"{path}: cannot write '{suffix}' files; use .png or .jpg")
    return kind


def grid(
    columns: dict[str, list[UInt8[np.ndarray, "h w 3"]]], margin: int = 4
) -> UInt8[np.ndarray, "h w 3"]:
    """A table of pictures of one size: a titled column for each entry, a row for each."""
    height, width = next(iter(columns.values()))[0].shape[:2]
    rows = max(map(len, columns.values()))
    top = 16
    size = (
        len(columns) * (width + margin) + margin,
        rows * (height + margin) + margin + top,
    )
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for column, (title, pictures) in enumerate(columns.items()):
        left = margin + column * (width + margin)
        draw.text((left, margin), title, fill="black")
        for row, picture in enumerate(pictures):
            place = (left, top + margin + row * (height + margin))
            page.paste(Image.fromarray(picture), place)
    return np.array(page)
