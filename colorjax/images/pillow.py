"""Files that Pillow decodes: their samples and alpha, in any of its modes."""

import struct

import numpy as np
from PIL import Image

from colorjax.images import icc, levels, png
from colorjax.images.levels import Levels
from colorjax.images.reduce import Picture as Samples

TO_KNOWN = {  # Pillow's modes, and those that hold the same
    **{"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"},
    **{"YCbCr": "RGB", "HSV": "RGB"},
}
WITH_KEY = {"L": "LA", "1": "LA", "RGB": "RGBA", "P": "RGBA"}


def decode(image: Image.Image, data: bytes, profile: bytes | None = None) -> Samples:
    """The pixels of the file `data`, opened as `image`, in sRGB; not turned upright.

    Three channels, or four if it has alpha; uint16 where Pillow has more than 8 bits.
    `profile` stands for the ICC profile that Pillow reads. Raises exceptions of any
    kind.
    """
    samples = _deep(image, data)
    if samples is None:
        image.load()
        samples = _samples(image)
    if sorted(samples.shape[:2]) != sorted((image.height, image.width)):
        raise ValueError("its headers disagree about its size")
    grey = samples.shape[2] < 3
    if image.format == "PNG":
        profile = png.profile(image, grey)
    inks = image.mode == "CMYK"
    colors, alpha = np.split(samples, [4 if inks else 1 if grey else 3], axis=2)
    converted = icc.to_srgb(colors, profile or image.info.get("icc_profile"))
    return np.concatenate([converted, alpha], axis=2) if alpha.shape[2] else converted


def _samples(image: Image.Image) -> Samples:
    """Grey or color samples, CMYK, or samples with alpha, of a decoded image."""
    if image.mode == "F":
        return levels.scale(np.atleast_3d(np.asarray(image)), Levels(0, 1))
    if image.mode.startswith("I"):
        return np.atleast_3d(np.asarray(image).clip(0, 65535).astype(np.uint16))
    if "transparency" in image.info and image.mode in WITH_KEY:
        image = image.convert(WITH_KEY[image.mode])
    elif image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in TO_KNOWN:
        image = image.convert(TO_KNOWN[image.mode])
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ValueError(f"its color space, {image.mode}, is not read")
    return np.atleast_3d(np.asarray(image))


def _deep(image: Image.Image, data: bytes) -> Samples | None:
    """The samples of a file with 16-bit channels that Pillow reads as 8; or None."""
    if png.is_deep(image, data):
        return png.decode(data)
    if image.format in ("JPEG", "MPO") and jpeg_precision(data)[0] == 12:
        import imagecodecs

        samples = np.atleast_3d(imagecodecs.jpeg_decode(data))
        return levels.scale(samples, Levels(0, 4095))
    if image.format == "JPEG2000" and image.mode in ("RGB", "RGBA"):
        bits = _jpeg2000_bits(data)
        if 8 < bits <= 16:
            import imagecodecs

            samples = np.atleast_3d(imagecodecs.jpeg2k_decode(data))
            return levels.scale(samples, Levels(0, 2**bits - 1))
    if image.format == "PPM" and data[:2] == b"P6":
        return _ppm(image, data)
    return None


def _jpeg2000_bits(data: bytes) -> int:
    """The bits of a sample that the header of JPEG 2000 names; 0 if there is none."""
    at = data.find(b"\xff\x4f\xff\x51")  # start of codestream and SIZ
    offset = at + 4 + 2 + 2 + 32 + 2  # length, capabilities, sizes, components
    if at < 0 or offset >= len(data):
        return 0
    return (data[offset] & 0x7F) + 1


def _ppm(image: Image.Image, data: bytes) -> Samples | None:
    """The samples of a color PPM file whose white is above 255; None for others."""
    fields: list[bytes] = []
    at = 2
    while len(fields) < 3 and at < min(len(data), 10_000):
        end = at + 1
        if data[at : at + 1] == b"#":
            end = data.find(b"\n", at) + 1 or len(data)
        elif data[at : at + 1].isdigit():
            while data[end : end + 1].isdigit():
                end += 1
            fields.append(data[at:end])
        at = end
    if len(fields) < 3 or not 255 < int(fields[2]) < 65536:
        return None
    shape = (image.height, image.width, 3)
    samples = np.frombuffer(data, ">u2", int(np.prod(shape)), at + 1).reshape(shape)
    return levels.scale(samples, Levels(0, int(fields[2])))


def jpeg_precision(data: bytes) -> tuple[int, int]:
    """The bits of a sample of a JPEG file, and their place; (0, 0) if it has none."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[at + 4], at + 4
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
    return 0, 0
