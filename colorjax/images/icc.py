"""Color management of 8-bit pictures: from any mode and profile of Pillow to sRGB."""

import io

import numpy as np
from PIL import ExifTags, Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def to_srgb(image: Image.Image, opaque: bool = True) -> Image.Image:
    """The decoded image in sRGB, of mode RGB, or RGBA where alpha is kept.

    If `opaque`, a transparent image is laid on white; otherwise it keeps its alpha.
    """
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if opaque:
            image = flatten_alpha(image)
        else:
            alpha, image = image.getchannel("A"), image.convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    if profile and profile != SRGB.tobytes() and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(source, SRGB, image.mode, "RGB")
            image = transform.apply(image)
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass  # the profile is broken or belongs to another color space: ignore it
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image


def flatten_alpha(image: Image.Image) -> Image.Image:
    """An RGBA image laid on white, as RGB."""
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """An 8-bit grey image from 16-bit integers, or from floats up to 1 or up to 255."""
    levels = np.nan_to_num(np.asarray(image, np.float32))
    if image.mode != "F":
        levels /= 65535
        tags = getattr(image, "tag_v2", {})
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
            levels = 1 - levels  # 0 is white; Pillow inverts only 8-bit images
    elif levels.max() > 1:
        levels /= 255
    return Image.fromarray(np.round(255 * levels.clip(0, 1)).astype(np.uint8))
