"""Color management: samples of any ICC profile to sRGB, by Little CMS."""

import io
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import ImageCms

Samples = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]
Colors = UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]

SPACES = {1: "gray", 3: "rgb", 4: "cmyk"}  # by the number of channels
LIKE_SRGB = 0.05  # a gamma that differs less from 1 / 2.2 is meant to be sRGB (libpng)
DATE = slice(24, 36)  # of a profile's header (ICC.1, 7.2): when it was made


def _srgb() -> bytes:
    """Little CMS's sRGB profile with a date that does not change."""
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    profile[DATE] = b"\x07\xd0\0\x01\0\x01\0\0\0\0\0\0"  # 2000-01-01
    return bytes(profile)


SRGB = ImageCms.ImageCmsProfile(io.BytesIO(_srgb()))


def to_srgb(samples: Samples, profile: bytes | None) -> Colors:
    """Grey, RGB or CMYK samples as sRGB of the same depth.

    A profile that is broken or belongs to another color space is ignored. CMYK without
    a profile is converted as by ideal inks.
    """
    converted = None
    if profile and profile != SRGB.tobytes():
        converted = _convert(samples, profile, SPACES[samples.shape[2]])
    if converted is not None:
        return converted
    if samples.shape[2] == 4:
        return _from_ideal_inks(samples)
    return np.broadcast_to(samples, (*samples.shape[:2], 3))


def lab_to_srgb(samples: UInt16[np.ndarray, "h w 3"]) -> UInt16[np.ndarray, "h w 3"]:
    """Lab (D50) as sRGB. L is 0 to 65535 for 0 to 100; 0 of a and b is 32896."""
    import imagecodecs

    converted = _convert(samples, imagecodecs.cms_profile("lab4"), "lab")
    if converted is None:
        raise ValueError("its Lab colors cannot be converted")
    return converted


def _convert(samples: Samples, profile: bytes, space: str) -> Any:
    """The samples in sRGB; None if the profile does not apply to them."""
    import imagecodecs

    try:
        return imagecodecs.cms_transform(
            np.ascontiguousarray(samples[..., 0] if space == "gray" else samples),
            profile,
            SRGB.tobytes(),
            colorspace=space,
            outcolorspace="rgb",
        )
    except (imagecodecs.CmsError, ValueError):
        return None


def _from_ideal_inks(samples: Samples) -> Colors:
    top = int(np.iinfo(samples.dtype).max)
    result = np.empty((*samples.shape[:2], 3), samples.dtype)
    # Row by row, so that no 32-bit copy of the whole picture is in memory.
    for row, inks in zip(result, samples, strict=True):
        light = top - inks.astype(np.uint32)
        row[:] = (light[:, :3] * light[:, 3:] + top // 2) // top
    return result


def png_profile(
    gamma: float | None, chromaticities: tuple[float, ...] | None, grey: bool
) -> bytes | None:
    """The ICC profile that a PNG's gAMA and cHRM describe; None if that is sRGB.

    `chromaticities` are x and y of white, red, green and blue.
    """
    import imagecodecs

    like_srgb = gamma is None or abs(2.2 * gamma - 1) < LIKE_SRGB
    if like_srgb and (grey or chromaticities is None):
        return None
    curve: dict[str, Any] = {"gamma": 2.2 if like_srgb or not gamma else 1 / gamma}
    if grey:
        return imagecodecs.cms_profile("gray", **curve)
    x = chromaticities or (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
    if min(x) < 0 or min(x[1::2]) <= 0 or max(x) > 1:
        return None  # no colors
    white, *primaries = ((a, b, 1.0) for a, b in zip(x[::2], x[1::2], strict=True))
    flat = [value for primary in primaries for value in primary]
    try:
        return imagecodecs.cms_profile("rgb", whitepoint=white, primaries=flat, **curve)
    except (imagecodecs.CmsError, ValueError):
        return None
