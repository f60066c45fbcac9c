"""The formats of picture files: their suffixes, and opening them without decoding."""

import io

from etils import epath
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from colorjax.errors import UserError, install_hint
from colorjax.images.pillow import jpeg_precision

# By suffix, the format and the suffix of a result, which is another one where colorjax
# cannot write the format.
JPEG, PNG, TIFF = ("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif")
KINDS = {
    **{suffix: ("JPEG", suffix) for suffix in (".jpg", ".jpeg", ".jpe", ".jfif")},
    **{".png": PNG, ".apng": PNG, ".webp": ("WEBP", ".webp"), ".bmp": ("BMP", ".bmp")},
    **{".gif": ("GIF", ".gif"), ".tif": TIFF, ".tiff": ("TIFF", ".tiff")},
    **{".avif": ("AVIF", ".avif"), ".heic": JPEG, ".heif": JPEG, ".dng": TIFF},
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".pgm", ".ppm", ".pnm", ".pbm"), PNG),
    ".psd": PNG,
}
SUFFIXES = tuple(KINDS)
# Pillow's names. Pillow reads other formats, too, and starts an interpreter for one of
# them (PostScript).
PILLOW = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "WEBP")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")  # more frames than one are an animation
UNREAD = {  # what other files start with, and where
    "OpenEXR": (0, b"\x76\x2f\x31\x01"),
    "PostScript": (0, b"%!PS"),
    "PDF": (0, b"%PDF"),
    "DICOM": (128, b"DICM"),
    "JPEG XL": (0, b"\xff\x0a"),
    "JPEG XL in its container": (4, b"JXL "),
    "JPEG XR": (0, b"II\xbc\x01"),
    "XCF": (0, b"gimp xcf"),
    "SVG": (0, b"<svg"),
    "RAW of Fujifilm": (0, b"FUJIFILM"),
    "large Photoshop (PSB)": (0, b"8BPS\0\2"),
    "Photoshop (PSD) of this depth or color space": (0, b"8BPS"),
}


def output_format(path: epath.PathLike) -> str:
    """Pillow's name of the format that the suffix of `path` names.

    Raises `UserError` if the suffix names no format that can be written.
    """
    suffix = epath.Path(path).suffix.lower()
    kind, written = KINDS.get(suffix, ("", ""))
    if not kind or written != suffix:
        raise UserError(f"{path}: cannot write '{suffix}' files; use .png or .jpg")
    return kind


def output_suffix(suffix: str) -> str:
    """The suffix of the result of a file with a suffix: its own, if it can be written.

    HEIC becomes JPEG; what has more bits or no loss becomes PNG or TIFF.
    """
    written = KINDS.get(suffix.lower(), ("", suffix))[1]
    return suffix if written == suffix.lower() else written


def open_image(data: bytes, name: str) -> Image.Image:
    """Pillow's image of a file that is no TIFF file; nothing is decoded.

    Raises `UserError` if the format is not read, and exceptions of any kind.
    """
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS and b"avif" not in data[8:64]:
        return _open_heif(data, name)
    if data[:2] == b"\xff\xd8":
        bits, at = jpeg_precision(data)
        if bits == 12:  # Pillow reads the header of no more than 8
            data = data[:at] + b"\x08" + data[at + 1 :]
    try:
        return Image.open(io.BytesIO(data), formats=PILLOW)
    except UnidentifiedImageError as error:
        for kind, (at, magic) in UNREAD.items():
            if data[at : at + len(magic)] == magic:
                raise UserError(
                    f"{name}: files of the format {kind} are not read"
                ) from error
        raise UserError(f"{name}: not a picture of a known format") from error


def _open_heif(data: bytes, name: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise UserError(
            f"{name}: HEIC files need pillow-heif: {install_hint('formats')}"
        ) from error
    return HeifImageFile(io.BytesIO(data))


def frame_count(image: Image.Image) -> int:
    """The number of frames of an animation; 1 for a picture."""
    return getattr(image, "n_frames", 1) if image.format in ANIMATED else 1


def reduce_jpeg(image: Image.Image, data: bytes, short: int) -> None:
    """Have a JPEG file decoded at 1/2, 1/4 or 1/8 of its size, the smallest of these
    with a short side of `short` pixels or more.

    The decoder then computes only the low frequencies of each block, which takes a
    fraction of the time.
    """
    is_jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
    if is_jpeg and jpeg_precision(data)[0] == 8:
        image.draft(None, (short, short))
