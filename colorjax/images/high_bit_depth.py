"""Pictures of 16 bits per channel, PNG and TIFF.

Pillow reads them as 8 bits and cannot write them. tifffile and imagecodecs read and
write the files, and imagecodecs converts their color profiles in 16 bits (Little CMS).
Both libraries are imported when the first such picture is read or written.
"""

import io
import struct
import zlib

import numpy as np
from jaxtyping import UInt16
from PIL import ExifTags, Image, TiffImagePlugin

KINDS = ("PNG", "TIFF")  # Pillow's names of the formats
PNG_LEVEL = 3  # of compression, the same as for 8 bits


def deep_format(image: Image.Image, data: bytes) -> str | None:
    """The format of the file `data`, opened as `image`, if `decode` can read it.

    None for all others. Pillow reads the other files with 16-bit channels (CMYK,
    premultiplied alpha).
    """
    if image.format == "PNG":  # byte 24 is the bit depth; no color key
        deep = data[24] == 16 and "transparency" not in image.info
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        tags, base = image.tag_v2, ExifTags.Base
        bits = np.atleast_1d(tags.get(base.BitsPerSample, 1))
        deep = bool(
            (bits == 16).all()
            and np.all(np.atleast_1d(tags.get(base.SampleFormat, 1)) == 1)
            and tags.get(base.PhotometricInterpretation) in (0, 1, 2)
            and tags.get(base.ExtraSamples, (2,)) in (2, (2,))
        )
    else:
        deep = False
    return image.format if deep else None


def decode(
    data: bytes,
    kind: str,
    size: tuple[int, int],
    profile: bytes | None,
    srgb: bytes,
) -> UInt16[np.ndarray, "h w c"]:
    """Decode a file to sRGB with 3 channels, or 4 if it has alpha; not turned upright.

    `size` is the (height, width) that Pillow read from the file, `profile` its ICC
    profile, `srgb` the ICC profile of the result. Raises exceptions of any kind.
    """
    pixels = _decode_png(data) if kind == "PNG" else _decode_tiff(data, size)
    # In any order: some versions of Pillow turn the size of a TIFF by its orientation.
    if sorted(pixels.shape[:2]) != sorted(size):
        raise ValueError("its headers disagree about its size")
    colors, alpha = np.split(pixels, [pixels.shape[2] - 1 | 1], axis=2)  # 1 or 3
    converted = None
    if profile and profile != srgb:
        converted = _convert(colors, profile, srgb)
    if converted is None:
        converted = np.broadcast_to(colors, (*colors.shape[:2], 3))
    return np.concatenate([converted, alpha], axis=2)


def _decode_png(data):
    import imagecodecs

    return np.atleast_3d(imagecodecs.png_decode(data))


def _decode_tiff(data, size):
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        if page.size > 4 * size[0] * size[1]:  # tifffile read other tags than Pillow
            raise ValueError("its headers disagree about its size")
        pixels = page.asarray()
        if pixels.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            pixels = np.moveaxis(pixels, 0, 2)
        pixels = np.atleast_3d(pixels).astype(np.uint16, copy=False)  # native order
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            pixels = np.concatenate([65535 - pixels[..., :1], pixels[..., 1:]], axis=2)
    return pixels


def _convert(colors, profile, srgb):
    """The colors converted from `profile` to sRGB; None if it does not apply."""
    import imagecodecs

    grey = colors.shape[2] == 1
    try:
        return imagecodecs.cms_transform(
            np.ascontiguousarray(colors[..., 0] if grey else colors),
            profile,
            srgb,
            colorspace="gray" if grey else "rgb",
            outcolorspace="rgb",
        )
    except imagecodecs.CmsError:
        return None


def encode(picture: UInt16[np.ndarray, "h w c"], kind: str, srgb: bytes) -> bytes:
    """The bytes of a file of one of `KINDS`, tagged with the ICC profile `srgb`.

    The picture has 3 channels, or 4 with alpha.
    """
    if kind == "PNG":
        return _tagged_png(_encode_png(picture), srgb)
    import tifffile

    encoded = io.BytesIO()
    extra = ["unassalpha"] if picture.shape[2] == 4 else None
    tifffile.imwrite(
        encoded,
        picture,
        photometric="rgb",
        extrasamples=extra,
        iccprofile=srgb,
        metadata=None,
    )
    return encoded.getvalue()


def _encode_png(picture):
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=PNG_LEVEL))


def _tagged_png(png: bytes, profile: bytes) -> bytes:
    """The file with an iCCP chunk after its header (PNG specification, 11.3.2.3)."""
    body = b"iCCPsRGB\0\0" + zlib.compress(profile)
    check = struct.pack(">I", zlib.crc32(body))
    chunk = struct.pack(">I", len(body) - 4) + body + check
    header = 8 + 25  # the signature and IHDR
    return png[:header] + chunk + png[header:]
