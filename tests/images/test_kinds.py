"""Pictures as scanners, cameras and archives write them: levels, depth, pages, formats.

Expected levels follow from how the files are made. Numbers "by Little CMS" are those
of ImageMagick 6.9.11, `convert FILE -profile srgb.icc`.
"""

import io
import shutil
import struct
import subprocess
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from helpers import encode, scene
from PIL import Image

from colorjax import images
from colorjax.errors import UserError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
WIDE = RAMP * np.uint16(257)
GREY = scene(1, 16)[..., 1]


def tiff(*pages, **options):
    """A TIFF file of pages that have the same options."""
    data = io.BytesIO()
    with tifffile.TiffWriter(data) as writer:
        for page in pages:
            writer.write(page, metadata=None, **options)
    return data.getvalue()


def limits(low, high, kind="H"):
    """SMinSampleValue and SMaxSampleValue."""
    return {"extratags": [(340, kind, 1, low, True), (341, kind, 1, high, True)]}


def levels(picture):
    """The picture's green channel as floats up to 255."""
    return picture[..., 1] / (np.iinfo(picture.dtype).max / 255)


# ---- Levels.

WHITE_IS_0 = {"photometric": "miniswhite"}
FLOATS = RAMP.astype(np.float32) / 255
LEVELS = {
    "float16": tiff(FLOATS.astype(np.float16)),
    "float64": tiff(FLOATS.astype(np.float64)),
    "float, white is 0": tiff(1 - FLOATS, **WHITE_IS_0),
    "float rgb": tiff(np.dstack([FLOATS] * 3), photometric="rgb"),
    "float, one sample above 1": tiff(np.where(RAMP == 255, np.float32(1.3), FLOATS)),
    "float with limits": tiff(255 * FLOATS, **limits(0.0, 255.0, "f")),
    "float with NaN": tiff(np.where(RAMP == 0, np.float32(np.nan), FLOATS)),
    "uint32": tiff(RAMP * np.uint32(2**32 // 255)),
    "int32 with limits": tiff(
        RAMP.astype(np.int32) * 5 - 100, **limits(-100, 1175, "i")
    ),
    "int16 with limits": tiff(RAMP.astype(np.int16) - 128, **limits(-128, 127, "h")),
    "12 bits in 16": tiff(RAMP * np.uint16(16), **limits(0, 4080)),
    "12 bits in 16, white is 0": tiff(
        (255 - RAMP) * np.uint16(16), **limits(0, 4080), **WHITE_IS_0
    ),
    "8 bits with limits": tiff(RAMP // 2, **limits(0, 127, "B")),
    "grey and alpha": tiff(
        np.dstack([WIDE, 0 * WIDE + 65535]), extrasamples=["unassalpha"]
    ),
    "infrared": tiff(
        np.dstack([WIDE] * 4), photometric="rgb", extrasamples=["unspecified"]
    ),
    "cmyk": tiff(np.dstack([65535 - WIDE] * 3 + [0 * WIDE]), photometric="separated"),
}


@pytest.mark.parametrize("kind", LEVELS)
def test_levels(kind):
    picture = images.read_full(LEVELS[kind])
    assert picture.dtype == np.uint16
    expected = RAMP // 2 * (255 / 127) if kind.startswith("8 bits") else RAMP
    near = 0.13 if kind == "float16" else 0.01
    np.testing.assert_allclose(levels(picture[..., :3]), expected, rtol=0, atol=near)


def test_12_bits_packed():
    """Two samples in three bytes, as ImageMagick's `-depth 12` writes them."""
    data = bytearray(tiff(np.zeros((16, 24), np.uint8)))
    high, low = (
        RAMP.reshape(-1, 2).T.astype(np.uint16) * 16 + RAMP.reshape(-1, 2).T // 16
    )
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=1)
    start = len(data) - 384
    data[start:] = packed.astype(np.uint8).tobytes()
    for tag, value in ((256, 16), (258, 12)):
        at = data.index(struct.pack("<H", tag), 8) + 8
        data[at : at + 2] = struct.pack("<H", value)
    picture = images.read_full(bytes(data))
    np.testing.assert_allclose(levels(picture), RAMP, atol=0.07)


def test_premultiplied_alpha():
    half = np.full((16, 16), 32768, np.uint16)
    stored = np.dstack([WIDE // 2] * 3 + [half])
    picture = images.read_full(
        tiff(stored, photometric="rgb", extrasamples=["assocalpha"])
    )
    assert picture.dtype == np.uint16 and (picture[..., 3] == 32768).all()
    np.testing.assert_allclose(levels(picture[..., :3]), RAMP, atol=0.01)


UNCLEAR = {
    "float up to 255": tiff(255 * FLOATS),
    "int32": tiff(RAMP.astype(np.int32)),
    "int8": tiff((RAMP // 2).astype(np.int8)),
    "uint32 up to 255": tiff(RAMP.astype(np.uint32)),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_unclear_levels_are_asked_for(kind):
    with pytest.raises(UserError, match=r"^a\.tif: .*--levels MIN,MAX"):
        images.read_full(UNCLEAR[kind], "a.tif")
    (page,) = images.read_file(UNCLEAR[kind], "a.tif", levels=(0, 255))
    expected = RAMP // 2 if kind == "int8" else RAMP
    np.testing.assert_allclose(levels(page.picture), expected, atol=0.01)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (LEVELS["float64"], "64-bit floats become 16-bit"),
        (LEVELS["float, one sample above 1"], "above 1 .up to 1.3. become white"),
        (LEVELS["uint32"], "32-bit integers become 16-bit"),
        (LEVELS["infrared"], "neither color nor alpha"),
        (tiff(RAMP * np.uint16(16)), "it is dark: .* --levels 0,4095"),
    ],
)
def test_notes_of_levels(data, note):
    (page,) = images.read_file(data)
    with pytest.raises(AssertionError, match=note):
        assert not page.notes, page.notes


def test_lab_of_16_bits():
    """L of 50 is 119 in sRGB; a of 40 (CIE 1976, D50) makes it red."""
    lab = np.zeros((4, 4, 3), np.uint16)
    lab[..., 0] = 32768
    lab[:2, :, 1] = 40 * 256
    for photometric, shift in (("cielab", 0), ("icclab", 32768)):
        stored = lab.copy()
        stored[..., 1:] += shift
        if shift:
            stored[..., 0] = 32640  # 65280 is 100
        picture = images.read_full(tiff(stored, photometric=photometric))
        assert picture.dtype == np.uint16
        np.testing.assert_allclose(picture[3, 3] / 257, [119, 119, 119], atol=0.3)
        np.testing.assert_allclose(picture[0, 0] / 257, [179.6, 89.2, 120.8], atol=0.3)


# ---- Profiles.


def curve_profile(values):
    """A grey ICC profile of a curve."""
    words = b"".join(struct.pack(">H", round(65535 * value)) for value in values)
    curve = b"curv\0\0\0\0" + struct.pack(">I", len(values)) + words
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, len(curve))
    head = struct.pack(">I4sI", 176 + len(curve), b"lcms", 0x02100000)
    head = (head + b"prtrGRAYXYZ ").ljust(36, b"\0") + b"acsp"
    return head.ljust(68, b"\0") + white[8:] + bytes(48) + table + white + curve


INK = 1 - np.linspace(0, 1, 256)
DOT_GAIN_20 = curve_profile(np.clip(1 - (INK + 0.8 * INK * (1 - INK)), 0, 1))
DOT_GAIN_SEEN = {64: 89, 128: 149, 192: 204}  # by Little CMS


def grey_with_alpha(deep):
    grey = np.full((4, 4), 0, np.uint8)
    grey[:3] = np.array(list(DOT_GAIN_SEEN))[:, None]
    if deep:
        stored = np.dstack([grey * np.uint16(257), np.full((4, 4), 65535, np.uint16)])
        options = {"photometric": "minisblack", "planarconfig": "contig"}
        options |= {"extrasamples": ["unassalpha"], "iccprofile": DOT_GAIN_20}
        return tiff(stored, **options)
    image = Image.fromarray(np.dstack([grey, np.full((4, 4), 254, np.uint8)]), "LA")
    return encode(image, icc_profile=DOT_GAIN_20)


@pytest.mark.parametrize("deep", [False, True])
def test_profile_of_grey_with_alpha(deep):
    picture = images.read_full(grey_with_alpha(deep))
    assert picture.shape == (4, 4, 4)
    np.testing.assert_allclose(
        levels(picture)[:3, 0], list(DOT_GAIN_SEEN.values()), atol=1
    )


def chunk(kind, body):
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def with_chunks(png, *chunks):
    return png[:33] + b"".join(chunk(*c) for c in chunks) + png[33:]


GAMMA = (b"gAMA", struct.pack(">I", 100_000))  # linear
LINEAR_SEEN = 188  # 128 of 255 in linear light, by IEC 61966-2-1
SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_gamma_of_png(mode):
    grey = Image.new("L", (4, 4), 128)
    if mode == "I;16":
        stored = np.full((4, 4), 128 * 257, np.uint16)
        png = bytes(imagecodecs.png_encode(stored))
    else:
        png = encode(grey.convert(mode))
    picture = images.read_full(with_chunks(png, GAMMA))
    np.testing.assert_allclose(levels(picture), LINEAR_SEEN, atol=1)
    stays = with_chunks(png, GAMMA, (b"sRGB", b"\0"))
    np.testing.assert_allclose(levels(images.read_full(stays)), 128, atol=0.1)
    usual = with_chunks(png, (b"gAMA", struct.pack(">I", 45455)))
    np.testing.assert_allclose(levels(images.read_full(usual)), 128, atol=0.1)


def test_primaries_of_png():
    """Red and green primaries that stand for each other."""
    white, red, green, blue = (SRGB_PRIMARIES[i : i + 2] for i in range(0, 8, 2))
    swapped = white + green + red + blue
    png = encode(np.full((4, 4, 3), (200, 100, 50), np.uint8))
    body = struct.pack(">8I", *swapped)
    picture = images.read_full(with_chunks(png, GAMMA, (b"cHRM", body)))
    linear = np.array([100, 200, 50]) / 255
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture[0, 0], expected, atol=2)


# ---- Pages.

THUMBNAIL, MASK = 1, 4  # NewSubfileType


def test_every_page():
    stored = [scene(i, 16) for i in range(3)]
    pages = images.read_file(tiff(*stored, photometric="rgb"))
    for page, picture in zip(pages, stored, strict=True):
        np.testing.assert_array_equal(page.picture, picture)
    encoded = images.encode_file(pages, "TIFF", images.Settings(), "a").data
    again = images.read_file(encoded)
    assert [p.picture.tolist() for p in again] == [p.tolist() for p in stored]
    with pytest.raises(UserError, match="^a.tif: 3 pages, and JPEG files hold one"):
        images.encode_file(pages, "JPEG", images.Settings(), "a.tif")
    with pytest.raises(UserError, match="its 3 pages are more than"):
        images.read_file(tiff(*stored, photometric="rgb"), max_pixels=700)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", [THUMBNAIL, MASK])
def test_thumbnails_and_masks_are_no_pages(kind, deep):
    data, large = io.BytesIO(), scene(1, 16)[..., 0] * np.uint16(257)
    large = large if deep else (large // 257).astype(np.uint8)
    with tifffile.TiffWriter(data) as writer:
        small = large[::4, ::4] > 0 if kind == MASK else large[::4, ::4]
        writer.write(
            small.copy(),
            subfiletype=kind,
            metadata=None,
            photometric="mask" if kind == MASK else "minisblack",
        )
        writer.write(large, subfiletype=2, metadata=None)
    assert images.read_full(data.getvalue()).shape == (16, 16, 3)
    (page,) = images.read_file(data.getvalue())
    assert page.picture.shape == (16, 16, 3)
    assert images.pixel_count(data.getvalue()) == 256


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_are_refused(kind):
    frames = [Image.fromarray(scene(i, 16)) for i in range(2)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="^a: an animation of 2 frames"):
        images.read_file(data, "a")


# ---- Formats.

SOFT = scene(1, 64)


def heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    data = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(SOFT)).save(data, quality=95)
    return data.getvalue()


FORMATS = {
    "avif": lambda: encode(SOFT, "AVIF", quality=95),
    "jpeg 2000": lambda: encode(SOFT, "JPEG2000"),
    "ppm": lambda: encode(SOFT, "PPM"),
    "heic": heic,
    "12-bit jpeg": lambda: imagecodecs.jpeg_encode(
        SOFT.astype(np.uint16) * 16, bitspersample=12, level=98
    ),
    "16-bit jpeg 2000": lambda: imagecodecs.jpeg2k_encode(
        SOFT * np.uint16(257), level=0
    ),
    "16-bit ppm": lambda: (
        b"P6 # a comment\n64 64\n65535\n"
        + (SOFT * np.uint16(257)).astype(">u2").tobytes()
    ),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_formats(kind):
    picture = images.read_full(bytes(FORMATS[kind]()))
    assert (picture.dtype == np.uint16) == kind.startswith(("12", "16"))
    error = np.abs(picture / (np.iinfo(picture.dtype).max / 255) - SOFT).mean()
    assert error < 3, error


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\x0a" + bytes(50), "the format JPEG XL are not read"),
        (b"8BPS\0\1" + bytes(50), "of this depth or color space are not read"),
        (b"%PDF-1.7", "the format PDF are not read"),
    ],
)
def test_the_format_is_named(data, reason):
    with pytest.raises(UserError, match=f"^a.jpg: .*{reason}"):
        images.read(data, "a.jpg")


def test_suffixes_of_results():
    suffixes = {".jfif": ".jfif", ".HEIC": ".jpg", ".dng": ".tif", ".pgm": ".png"}
    for suffix, result in suffixes.items():
        assert images.output_suffix(suffix) == result
        assert suffix.lower() in images.SUFFIXES
        images.output_format(f"a{result}")


# ---- As ImageMagick writes it.

CONVERT = {  # what `convert` makes of a grey picture
    "grey and alpha": "-alpha set -channel A -evaluate set 60% +channel -depth 16",
    "lab16": "-colorspace Lab -depth 16",
    "lab8": "-colorspace Lab -depth 8",
    "cmyk16": "-colorspace CMYK -depth 16",
    "grey12": "-depth 12 -compress none",
    "float": "-depth 32 -define quantum:format=floating-point",
    "group 4": "-threshold 50% -compress Group4",
}


@pytest.mark.parametrize("kind", CONVERT)
def test_imagemagick(kind, tmp_path):
    if not shutil.which("convert"):
        pytest.skip("needs ImageMagick's convert")
    (tmp_path / "a.png").write_bytes(encode(GREY))
    command = ["convert", "a.png", *CONVERT[kind].split(), "a.tif"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    picture = images.read_full((tmp_path / "a.tif").read_bytes())
    expected = 255 * (GREY > 127.5) if kind == "group 4" else GREY
    near = 2.6 if kind == "lab8" else 0.6
    np.testing.assert_allclose(levels(picture[..., :3]), expected, atol=near)
