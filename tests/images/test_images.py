"""Reading pictures of every kind, writing them whole, resizing, the grid."""

import io
import logging
import resource
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from helpers import encode, python, scene
from PIL import Image, ImageCms

from colorjax import images
from colorjax.errors import UserError
from colorjax.images import quiet

COLOR, HALF, WHITE = (10, 128, 200), (132, 191, 227), (255, 255, 255)
RGB = np.full((4, 6, 3), COLOR, np.uint8)
GREY = np.full((4, 6), 128, np.uint8)
RAMP = np.linspace(0, 255, 24).astype(np.uint8).reshape(4, 6)
RGB16, RAMP16 = RGB * np.uint16(257), RAMP * np.uint16(257)


def tiff(picture, **options):
    """A TIFF file of what Pillow cannot write."""
    data = io.BytesIO()
    tifffile.imwrite(data, picture, **options)
    return data.getvalue()


def png(width, height, depth=8, pixels=b""):
    """An RGB PNG file of any depth, or of no pixels at all."""

    def chunk(kind, body):
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + crc(checked)

    def crc(data):
        return struct.pack(">I", zlib.crc32(data))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def png16(picture):
    """A 16-bit RGB picture as PNG."""
    rows = (b"\0" + row.astype(">u2").tobytes() for row in picture)
    return png(picture.shape[1], len(picture), 16, b"".join(rows))


def transparent(mode, alpha, **options):
    """The color or the grey with `alpha` everywhere, as PNG."""
    picture = Image.fromarray(RGB if mode == "RGBA" else GREY)
    picture.putalpha(Image.new("L", picture.size, alpha))
    return encode(picture, **options)


def palette(kind="PNG", **options):
    """The color as a file with a palette."""
    return encode(Image.fromarray(RGB).quantize(2), kind, **options)


# ---- Kinds of files, and what is to be read from them.

KINDS = {
    "rgb": (encode(RGB), COLOR),
    "bmp": (encode(RGB, "BMP"), COLOR),
    "webp": (encode(RGB, "WEBP", lossless=True), COLOR),
    "jpeg": (encode(RGB, "JPEG", quality=100), COLOR),
    "grey": (encode(RAMP), RAMP[..., None]),
    "grey jpeg": (encode(GREY, "JPEG", quality=100), 128),
    "bilevel": (encode(Image.fromarray(RAMP > 99)), 255 * (RAMP > 99)[..., None]),
    "16-bit rgb png": (png16(RGB16), COLOR),
    "16-bit rgb tiff": (tiff(RGB16, photometric="rgb"), COLOR),
    "16-bit big-endian": (tiff(RGB16, photometric="rgb", byteorder=">"), COLOR),
    "16-bit grey png": (encode(RAMP16), RAMP[..., None]),
    "16-bit grey tiff": (encode(RAMP16, "TIFF"), RAMP[..., None]),
    "16-bit white is 0": (
        tiff(RAMP16, photometric="miniswhite"),
        255 - RAMP[..., None],
    ),
    "8-bit white is 0": (tiff(RAMP, photometric="miniswhite"), 255 - RAMP[..., None]),
    "float up to 1": (tiff(np.float32(RAMP / 255)), RAMP[..., None]),
    "palette": (palette(), COLOR),
    "gif": (palette("GIF"), COLOR),
    "opaque rgba": (transparent("RGBA", 255), COLOR),
    "half rgba": (transparent("RGBA", 128), HALF),
    "clear rgba": (transparent("RGBA", 0), WHITE),
    "opaque la": (transparent("LA", 255), 128),
    "clear la": (transparent("LA", 0), 255),
    "half palette": (palette(transparency=bytes([128])), HALF),
    "clear palette": (palette(transparency=0), WHITE),
    "clear gif": (palette("GIF", transparency=0), WHITE),
    "clear grey": (encode(GREY, transparency=128), 255),
    "clear rgb": (encode(RGB, transparency=COLOR), WHITE),
    "cmyk jpeg": (
        encode(Image.new("CMYK", (6, 4), (0, 255, 255, 0)), "JPEG"),
        (255, 0, 0),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind):
    data, expected = KINDS[kind]
    picture = images.read(data)
    assert picture.dtype == np.uint8
    expected = np.broadcast_to(expected, (4, 6, 3))
    np.testing.assert_allclose(np.int32(picture), expected, rtol=0, atol=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (7, 3)])
def test_any_size(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    np.testing.assert_array_equal(images.read(encode(picture)), picture)


# ---- Orientation.

UPRIGHT = np.zeros((16, 24, 3), np.uint8)
UPRIGHT[:8, :8], UPRIGHT[8:, 16:] = (255, 0, 0), (0, 0, 255)
STORED = {  # from the EXIF standard: where row 0 and column 0 of the file are seen
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.swapaxes(0, 1),  # left, top
    6: UPRIGHT.swapaxes(0, 1)[::-1],  # right, top
    7: UPRIGHT.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: UPRIGHT.swapaxes(0, 1)[:, ::-1],  # left, bottom
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_orientation(kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    options = {"subsampling": 0, "quality": 100} if kind == "JPEG" else {}
    stored = np.ascontiguousarray(STORED[orientation])
    picture = images.read(encode(stored, kind, exif=exif, **options))
    np.testing.assert_allclose(np.int32(picture), UPRIGHT, rtol=0, atol=3)


BROKEN = {  # beside orientation 6
    "pointer to nowhere": struct.pack(">HHII", 0x8769, 4, 1, 0xFFFFFF),
    "text where a number belongs": struct.pack(">HHI4s", 0x11A, 2, 4, b"abc"),
    "missing": b"",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_other_exif_tags_may_be_broken(broken):
    tag = struct.pack(">HHIHH", 0x112, 3, 1, 6, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + tag + BROKEN[broken]
    picture = images.read(encode(UPRIGHT, "JPEG", exif=exif + bytes(4)))
    assert picture.shape == (24, 16, 3)


# ---- Reduced decoding.


@pytest.mark.parametrize(
    ("short", "height"),
    [(400, 320), (151, 320), (150, 160), (76, 160), (75, 80), (30, 40)],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(short, height):
    picture = scene(3, 320)[:, :300]  # stored upright after a turn by 90 degrees
    exif = Image.Exif()
    exif[0x112] = 6
    data = encode(picture, "JPEG", quality=95, exif=exif)
    reduced = images.read(data, short=short)
    width = -(-300 * height // 320)
    assert reduced.shape == (width, height, 3)
    expected = images.resize(images.read(data), (width, height))
    assert np.abs(reduced.astype(int) - expected).mean() < 3


def test_other_files_are_reduced_by_means():
    picture = scene(3, 64)
    means = picture.reshape(16, 4, 16, 4, 3).mean((1, 3))
    reduced = images.read(encode(picture), short=8)
    assert np.abs(reduced - means).max() < 0.51
    assert images.read(encode(picture), short=17).shape == (64, 64, 3)


# ---- Color profiles.

PRIMARIES = {  # of sRGB, adapted to D50
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
D50 = (0.9642, 1.0, 0.8249)


def profile(space, points, curves):
    """An ICC profile with straight curves: a pixel of it is linear in light."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))

    tags = {name: xyz(values) for name, values in {b"wtpt": D50, **points}.items()}
    tags |= dict.fromkeys(curves, b"curv" + bytes(8))
    place = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", place + len(body), len(value))
        body += value
    head = (
        struct.pack(">I4xI", place + len(body), 0x02100000) + b"mntr" + space + b"XYZ "
    )
    head = head.ljust(36, b"\0") + b"acsp"
    return head.ljust(68, b"\0") + xyz(D50)[8:] + bytes(48) + table + body


CURVES = (b"rTRC", b"gTRC", b"bTRC")
SWAPPED = dict(zip(PRIMARIES, [*PRIMARIES.values()][::-1], strict=True))
LINEAR = profile(b"RGB ", PRIMARIES, CURVES)
LINEAR_BGR = profile(b"RGB ", SWAPPED, CURVES)
LINEAR_GREY = profile(b"GRAY", {}, (b"kTRC",))
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def srgb(linear):
    """8-bit sRGB of 8-bit linear light (IEC 61966-2-1)."""
    x = linear / 255
    curve = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return 255 * curve


@pytest.mark.parametrize("encoded", [encode, lambda p, **o: encode(p, "TIFF", **o)])
@pytest.mark.parametrize(
    ("icc", "stored", "expected"),
    [
        pytest.param(LINEAR, RGB, srgb(RGB), id="converted"),
        pytest.param(LINEAR_BGR, RGB, srgb(RGB[..., ::-1]), id="other primaries"),
        pytest.param(LINEAR_GREY, RAMP, srgb(RAMP)[..., None], id="grey on grey"),
        pytest.param(LINEAR_GREY, RAMP16, srgb(RAMP)[..., None], id="on 16-bit grey"),
        pytest.param(LINEAR_GREY, RGB, RGB, id="grey on rgb says nothing"),
        pytest.param(LINEAR, GREY, GREY[..., None], id="rgb on grey says nothing"),
        pytest.param(LAB, RGB, RGB, id="lab on rgb says nothing"),
        pytest.param(b"no profile", RGB, RGB, id="broken says nothing"),
        pytest.param(images.SRGB.tobytes(), RGB, RGB, id="srgb"),
    ],
)
def test_profile(encoded, icc, stored, expected):
    picture = images.read(encoded(stored, icc_profile=icc))
    expected = np.broadcast_to(expected, (4, 6, 3))
    np.testing.assert_allclose(np.int32(picture), expected, rtol=0, atol=2)


# ---- What is no picture.

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"Dear diary,\n" * 9, "not a picture", id="text"),
        pytest.param(encode(NOISE, "JPEG")[:2000], "truncated", id="truncated jpeg"),
        pytest.param(encode(NOISE)[:2000], "truncated", id="truncated png"),
        pytest.param(encode(NOISE)[:20], "not a", id="truncated header"),
        pytest.param(png(64, 64), "not a readable", id="no pixels"),
    ],
)
def test_unreadable(data, reason):
    with pytest.raises(UserError, match=f"^scan.jpg: .*{reason}") as caught:
        images.read(data, "scan.jpg")
    assert "\n" not in str(caught.value) and "BytesIO" not in str(caught.value)


@pytest.mark.parametrize("size", [(40_000, 40_000), (2**31 - 1, 1), (1, 200_000_001)])
def test_too_large_is_refused_by_its_header(size):
    # There are no pixels in the file: decoding it would fail in another way.
    with pytest.raises(UserError, match=f"{size[0]}x{size[1]} pixels.* 200 million"):
        images.read(png(*size))


STATE = """
import logging, warnings
import etils.epath, jaxtyping, numpy  # which set filters of their own
from PIL import Image

def state():
    levels = [logging.getLogger(x).level for x in ("PIL", "imagecodecs", "tifffile")]
    return warnings.filters[:], levels, Image.MAX_IMAGE_PIXELS

before = state()
import colorjax.images
assert state() == before
"""


def test_importing_changes_nothing_in_the_host_program():
    result = python("-c", STATE)
    assert result.code == 0, result.err


def test_reading_in_many_threads_changes_nothing_either():
    def state():
        levels = [logging.getLogger(name).level for name in quiet.LOGGERS]
        return warnings.filters[:], levels, Image.MAX_IMAGE_PIXELS

    before, data = state(), encode(scene(1, 64), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(images.read, [data] * 200))) == 200
    with pytest.raises(UserError):
        images.read(data[:500])
    host = warnings.catch_warnings()
    host.__enter__()
    warnings.simplefilter("ignore")
    with quiet.QUIET:
        host.__exit__()  # as in another thread
    assert state() == before and Image.MAX_IMAGE_PIXELS is not None


def test_libtiff_prints_nothing_of_its_own(capfd):
    """It writes to the file descriptor, where Python cannot turn it off."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 80), np.uint8)
    data = bytearray(encode(noise, "TIFF", compression="tiff_deflate"))
    data[1500] ^= 255
    with pytest.raises(UserError, match="decoder error"):
        images.read(bytes(data))
    with pytest.raises(UserError, match="it ends before its first page"):
        images.read(bytes(data[:1000]))
    assert capfd.readouterr().err == ""


# ---- Writing.


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_written_without_loss(tmp_path, suffix):
    path = tmp_path / f"new/picture{suffix}"
    images.write(path, NOISE)
    np.testing.assert_array_equal(images.read(path.read_bytes()), NOISE)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_written_nearly_without_loss(tmp_path, suffix):
    images.write(tmp_path / f"picture{suffix}", scene(1, 128))
    picture = images.read((tmp_path / f"picture{suffix}").read_bytes())
    difference = np.int32(picture) - scene(1, 128)
    lightness = difference @ (0.299, 0.587, 0.114)
    assert np.abs(lightness).mean() < 1.5 and np.abs(difference).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_written_as_srgb(tmp_path, suffix):
    images.write(tmp_path / f"picture{suffix}", RGB)
    with Image.open(tmp_path / f"picture{suffix}") as image:
        icc = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(icc)


@pytest.mark.parametrize("name", ["picture", "picture.xyz", "picture.jp2", ".png"])
def test_no_format_of_that_suffix(tmp_path, name):
    with pytest.raises(UserError, match=f"/{name}: cannot write .*use .png or .jpg"):
        images.write(tmp_path / name, RGB)
    assert not any(tmp_path.iterdir())


def test_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "picture.png"
    images.write(path, RGB)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))  # a disk that is full
    try:
        with pytest.raises(UserError, match="picture.png: cannot be written .File too"):
            images.write(path, NOISE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(images.read(path.read_bytes()), RGB)
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.png").mkdir()
    for name in ("file/picture.png", "folder.png"):
        with pytest.raises(UserError, match=f"{name}: cannot be written"):
            images.write(tmp_path / name, RGB)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png"]


# ---- All that a file has: 16 bits, alpha.

NOISE16 = np.random.default_rng(1).integers(0, 65536, (20, 30, 4), np.uint16)
GREY16 = NOISE16[..., 0]


def deep_png(picture):
    """A 16-bit PNG file of grey, grey with alpha, RGB or RGB with alpha."""
    channels = picture.shape[2] if picture.ndim == 3 else 1
    rows = (b"\0" + row.astype(">u2").tobytes() for row in picture)
    data = bytearray(png(picture.shape[1], len(picture), 16, b"".join(rows)))
    data[25] = {1: 0, 2: 4, 3: 2, 4: 6}[channels]  # the color type
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def rgb(grey):
    return np.repeat(grey[..., None], 3, axis=2)


DEEP = {
    "grey png": (deep_png(GREY16), rgb(GREY16)),
    "rgb png": (deep_png(NOISE16[..., :3]), NOISE16[..., :3]),
    "rgba png": (deep_png(NOISE16), NOISE16),
    "grey and alpha png": (
        deep_png(NOISE16[..., :2]),
        np.dstack([rgb(GREY16), NOISE16[..., 1]]),
    ),
    "grey tiff": (tiff(GREY16), rgb(GREY16)),
    "white is 0": (tiff(GREY16, photometric="miniswhite"), 65535 - rgb(GREY16)),
    "rgb tiff": (tiff(NOISE16[..., :3], photometric="rgb"), NOISE16[..., :3]),
    "big-endian": (
        tiff(NOISE16[..., :3], photometric="rgb", byteorder=">"),
        NOISE16[..., :3],
    ),
    "compressed": (
        tiff(NOISE16[..., :3], photometric="rgb", compression="lzw", predictor=True),
        NOISE16[..., :3],
    ),
    "plane by plane": (
        tiff(
            np.moveaxis(NOISE16[..., :3], 2, 0).copy(),
            photometric="rgb",
            planarconfig="separate",
        ),
        NOISE16[..., :3],
    ),
    "rgba tiff": (
        tiff(NOISE16, photometric="rgb", extrasamples=["unassalpha"]),
        NOISE16,
    ),
}


@pytest.mark.parametrize("kind", DEEP)
def test_16_bits_are_read(kind):
    data, expected = DEEP[kind]
    picture = images.read_full(data)
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_opaque_is_read_alike(kind):
    data, expected = KINDS[kind]
    picture = images.read_full(data)
    eight = images.to_8_bits(picture)
    assert (picture.dtype == np.uint16) == kind.startswith(("16-bit", "float"))
    assert (picture.shape[2] == 4) == kind.startswith(("opaque", "half", "clear"))
    np.testing.assert_allclose(
        np.int32(images.on_white(eight)), np.broadcast_to(expected, (4, 6, 3)), atol=2
    )


@pytest.mark.parametrize("orientation", STORED)
def test_16_bits_are_turned(orientation):
    tag = [(0x112, "H", 1, orientation, True)]
    stored = np.ascontiguousarray(STORED[orientation] * np.uint16(257))
    data = tiff(stored, photometric="rgb", extratags=tag)
    np.testing.assert_array_equal(images.read_full(data), UPRIGHT * np.uint16(257))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_are_written_and_tagged(suffix, channels, tmp_path):
    path = tmp_path / f"picture{suffix}"
    images.write(path, NOISE16[..., :channels])
    again = images.read_full(path.read_bytes())
    np.testing.assert_array_equal(again, NOISE16[..., :channels])
    with Image.open(path) as image:  # Pillow, too, can read it
        image.load()
        assert image.size == (30, 20) and image.info["icc_profile"]


@pytest.mark.parametrize(
    ("icc", "stored", "expected"),
    [
        pytest.param(LINEAR, RGB16, srgb(RGB), id="converted"),
        pytest.param(LINEAR_BGR, RGB16, srgb(RGB[..., ::-1]), id="other primaries"),
        pytest.param(LINEAR_GREY, RAMP16, srgb(RAMP)[..., None], id="grey on grey"),
        pytest.param(LINEAR, RAMP16, RAMP[..., None], id="rgb on grey says nothing"),
        pytest.param(b"no profile", RGB16, RGB, id="broken says nothing"),
    ],
)
def test_profile_of_16_bits(icc, stored, expected):
    kind = "rgb" if stored.ndim == 3 else "minisblack"
    picture = images.read_full(tiff(stored, photometric=kind, iccprofile=icc))
    assert picture.dtype == np.uint16
    expected = np.broadcast_to(expected, (4, 6, 3))
    # Little CMS takes dark greys through a table.
    near = 1.1 if stored is RAMP16 else 0.1
    np.testing.assert_allclose(picture / 257, expected, rtol=0, atol=near)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg", ".bmp"])
def test_alpha_is_written_where_there_is_a_place_for_it(suffix, dtype, tmp_path):
    top = np.iinfo(dtype).max
    picture = np.zeros((16, 16, 4), dtype)
    picture[:8, :, 3] = top
    images.write(tmp_path / f"picture{suffix}", picture)
    again = images.read_full((tmp_path / f"picture{suffix}").read_bytes())
    if suffix in (".jpg", ".bmp"):
        assert again.shape == (16, 16, 3)
        assert again[:7].max() < 9 and again[9:].min() > 245  # laid on white
    else:
        assert again.shape == (16, 16, 4)
        assert (again[:8, :, 3] == np.iinfo(again.dtype).max).all()
        assert (again[8:, :, 3] == 0).all()
        deep = dtype == np.uint16 and suffix != ".webp"
        assert again.dtype == (np.uint16 if deep else np.uint8)


@pytest.mark.parametrize("kind", ["rgb png", "rgb tiff", "compressed"])
def test_truncated_16_bits(kind):
    data = DEEP[kind][0]
    for length in (len(data) // 2, 60, 30):
        with pytest.raises(UserError, match="^scan.tif: not a") as caught:
            images.read_full(data[:length], "scan.tif")
        assert "\n" not in str(caught.value)


def test_pixels_of_the_header():
    assert images.pixel_count(png(40_000, 40_000)) == 40_000**2
    assert images.pixel_count(b"Dear diary,") == images.pixel_count(b"") == 0


# ---- Sizes.


@pytest.mark.parametrize(
    ("size", "side", "longest", "expected"),
    [
        ((100, 200), 50, None, (50, 100)),
        ((200, 100), 50, None, (100, 50)),
        ((100, 150), 64, None, (64, 96)),
        ((1, 1), 32, None, (32, 32)),
        ((1, 20000), 32, 128, (1, 128)),
        ((20000, 1), 32, 128, (128, 1)),
        ((100, 1000), 50, 200, (20, 200)),
        ((100, 200), 50, 200, (50, 100)),
    ],
)
def test_resize_short(size, side, longest, expected):
    picture = np.zeros((*size, 3), np.uint8)
    assert images.short_size(picture, side, longest) == expected
    assert images.resize_short(picture, side, longest).shape == (*expected, 3)


def test_resize_is_antialiased():
    board = np.uint8(255 * (np.indices((64, 64)).sum(0) % 2))
    small = images.resize(np.repeat(board[..., None], 3, axis=2), (8, 8))
    assert np.abs(np.int32(small) - 127).max() <= 2


def test_resize_interpolates_planes_of_floats():
    plane = np.float32([[-80.0, 80.0]])
    wide = images.resize(plane, (1, 8))
    assert wide.dtype == np.float32
    np.testing.assert_allclose(wide[0], [-80, -80, -70, -30, 30, 70, 80, 80], atol=20)


@pytest.mark.parametrize("size", [(20, 30), (64, 64), (100, 333)])
@pytest.mark.parametrize("place", [(0, 0), (3, 4), (4, 14)])
def test_resize_to_a_part(size, place):
    top, left = place
    whole = images.resize(NOISE, size)[top : top + 16, left : left + 16]
    part = images.resize(NOISE, size, (top, left, 16, 16))
    np.testing.assert_allclose(np.int32(part), whole, rtol=0, atol=1)


def test_marks_are_where_the_points_are():
    page = images.mark(np.full((100, 120, 3), 90, np.uint8), [(20, 30), (80, 100)])
    changed = (page != 90).any(-1)
    for y, x in ((20, 30), (80, 100)):
        assert changed[y - 5 : y + 6, x - 5 : x + 6].any() and not changed[y, x]
    assert not changed[40:60].any()


def test_grid():
    red, blue = np.full((2, 10, 20, 3), [[[[255, 0, 0]]], [[[0, 0, 255]]]], np.uint8)
    page = images.grid([("one", [red, blue]), ("two", [blue])], margin=4)
    top = 4 + 16
    assert page.shape == (top + 2 * (10 + 4), 4 + 2 * (20 + 4), 3)
    np.testing.assert_array_equal(page[top : top + 10, 4:24], red)
    np.testing.assert_array_equal(page[top + 14 : top + 24, 4:24], blue)
    np.testing.assert_array_equal(page[top : top + 10, 28:48], blue)
    assert (page[top + 14 :, 28:] == 255).all()  # the shorter column ends
    for left in (4, 28):
        assert (page[:top, left : left + 20] < 128).any()  # its title
