"""What is kept of a picture's metadata; docs/colorize.md has the table."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers import ROOT, encode, scene
from PIL import Image, PngImagePlugin

import colorjax
from colorjax import images
from colorjax.images import exif, metadata
from colorjax.images.encode import HOLDS
from colorjax.images.exif import Tag
from colorjax.images.metadata import SOURCE_TYPE, Metadata

SOFTWARE = f"colorjax {colorjax.__version__}"
WIDE = scene(1, 32)[:20]
SUFFIXES = {
    **{"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "AVIF": "avif"},
    **{"BMP": "bmp", "GIF": "gif"},
}
IPTC = b"\x1c\x02\x19\0\x06parade\x1c\x02\x19\0\7z\xc3\xbcrich"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/'
    b'22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/'
    b'tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6">'
    b"<dc:source>box 7</dc:source><xmp:Thumbnails>AAAA</xmp:Thumbnails>"
    b"<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/"
    b"print</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def rational(*values):
    return Tag(exif.RATIONAL, np.array([(v, 1) for v in values], "<u4").tobytes())


def source():
    """The metadata of a scan that lies on its side."""
    first = {
        0x10E: Tag(2, "Mai in Zürich\0".encode()),
        0x112: exif.short(6, "<"),
        0x11A: rational(300),
        0x11B: rational(600),
        0x128: exif.short(2, "<"),
        0x131: exif.text("VueScan"),
        0x132: exif.text("2001:01:01 00:00:00"),
        0x13B: Tag(2, "Zoë\0".encode()),
        0x213: exif.short(1, "<"),
        0x8298: exif.text("(c) City Archive"),
    }
    below = {
        0x9003: exif.text("1936:05:01 12:00:00"),
        0x9000: Tag(7, b"0230"),
        0x9286: Tag(7, b"ASCII\0\0\0hello"),
        0xA001: exif.short(65535, "<"),
        0xA002: exif.long(32, "<"),
        0xA003: exif.long(20, "<"),
        0xA005: exif.long(8, "<"),
    }
    gps = {1: exif.text("N"), 2: rational(52, 30, 0)}
    tags = exif.Exif("<", first, below, gps)
    texts = (("Title", "May Day"), ("Author", "Zoë"))
    return Metadata(tags, XMP, IPTC, (300.0, 600.0), texts, b"a comment")


def colorized(kind, **settings):
    """The metadata of a file of a format, and the notes on what it does not hold."""
    page = images.Page(WIDE, source(), images.io.Storage(""), [])
    data, notes = images.encode_file([page], kind, images.Settings(**settings), "a")
    (again,) = images.read_file(data)
    np.testing.assert_array_equal(again.picture.shape, WIDE.shape)
    return again.metadata, notes


def text(tag):
    return tag.data.rstrip(b"\0").decode()


KEPT = [kind for kind in SUFFIXES if "exif" in HOLDS[kind]]


@pytest.mark.parametrize("kind", KEPT)
def test_exif(kind):
    tags = colorized(kind)[0].exif
    assert (
        text(tags.first[0x10E]) == "Mai in Zürich" and text(tags.first[0x13B]) == "Zoë"
    )
    assert text(tags.first[0x132]) == "2001:01:01 00:00:00"
    assert text(tags.first[0x131]) == SOFTWARE
    assert exif.number(tags.first.get(0x112, exif.short(1, "<")), "<") == 1
    assert tags.first[0x11A] == rational(600) and tags.first[0x11B] == rational(300)
    assert (0x213 in tags.first) == (kind == "TIFF" and 0x213 in tags.first)
    assert tags.exif == {
        **{code: source().exif.exif[code] for code in (0x9000, 0x9003, 0x9286)},
        0xA001: exif.short(1, "<"),
        0xA002: exif.long(32, "<"),
        0xA003: exif.long(20, "<"),
    }
    assert tags.gps == source().exif.gps


@pytest.mark.parametrize("kind", KEPT)
def test_xmp(kind):
    xmp = colorized(kind)[0].xmp
    assert b"<dc:source>box 7</dc:source>" in xmp and b'tiff:Orientation="1"' in xmp
    assert xmp.count(b"DigitalSourceType=") == 1 and SOURCE_TYPE.encode() in xmp
    assert b"Thumbnails" not in xmp and b"digitalsourcetype/print" not in xmp
    plain = colorized(kind, mark=False)[0].xmp
    assert b"digitalsourcetype/print" in plain and SOURCE_TYPE.encode() not in plain


@pytest.mark.parametrize("kind", SUFFIXES)
def test_nothing_is_kept_if_unwanted(kind):
    own, _ = colorized(kind, metadata=False, mark=False)
    # TIFF and BMP files must have a resolution.
    assert own._replace(exif=metadata.NO_EXIF, dpi=None) == Metadata()
    assert not own.exif.exif and not own.exif.gps
    marked, _ = colorized(kind, metadata=False)
    assert (SOURCE_TYPE.encode() in marked.xmp) == ("xmp" in HOLDS[kind])


ROWS = {  # of the table in docs/colorize.md, and the fields of `Metadata`
    "EXIF, GPS": "exif",
    "XMP": "xmp",
    "IPTC-IIM": "iptc",
    "resolution": "dpi",
    "texts of PNG": "texts",
    "comment of JPEG, GIF": "comment",
}


def test_the_table_of_what_is_kept():
    page = (ROOT / "docs/colorize.md").read_text()
    lines = page[page.index("| kept of") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}
    for kind, suffix in SUFFIXES.items():
        own, notes = colorized(kind)
        for row, field in ROWS.items():
            value = getattr(own, field)
            is_kept = any(value[1:]) if field == "exif" else bool(value)
            assert table[row][suffix] == ("yes" if is_kept else "no"), (row, kind)
            name = {"exif": "EXIF", "dpi": "resolution"}.get(field, field)
            assert is_kept != any(name.lower() in note.lower() for note in notes)
        assert table["16 bits"][suffix] == ("yes" if kind in ("PNG", "TIFF") else "no")
        assert table["pages"][suffix] == ("yes" if kind == "TIFF" else "no")


def test_a_thumbnail_of_exif_is_left_out():
    thumbnail = encode(scene(2, 8), "JPEG")
    tags = exif.Exif("<", {0x13B: exif.text("A. Photographer")}, {}, {})
    block = bytearray(exif.write_block(tags))
    block[22:26] = len(block).to_bytes(4, "little")  # the place of the next directory
    block += exif.pack({0x201: exif.long(99, "<")}, "<", len(block)) + thumbnail
    (page,) = images.read_file(encode(WIDE, "JPEG", exif=b"Exif\0\0" + bytes(block)))
    result = images.encode_file([page], "JPEG", images.Settings(), "a").data
    assert b"A. Photographer" in result and thumbnail not in result


# ---- How a file stores its picture.


def test_jpeg_keeps_its_tables_and_sampling():
    for quality, sampling in ((40, 2), (85, 1), (92, 0)):
        stored = encode(scene(1, 64), "JPEG", quality=quality, subsampling=sampling)
        (page,) = images.read_file(stored)
        for wanted, tables, expected in (
            (None, Image.open(io.BytesIO(stored)).quantization, sampling),
            (
                70,
                Image.open(io.BytesIO(encode(WIDE, "JPEG", quality=70))).quantization,
                0,
            ),
        ):
            settings = images.Settings(quality=wanted)
            result = images.encode_file([page], "JPEG", settings, "a").data
            assert Image.open(io.BytesIO(result)).quantization == tables
            (again,) = images.read_file(result)
            assert again.storage.sampling == expected


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_keeps_its_compression(compression, dtype):
    data = io.BytesIO()
    stored = WIDE.astype(dtype)
    tifffile.imwrite(data, stored, photometric="rgb", compression=compression)
    (page,) = images.read_file(data.getvalue())
    result = images.encode_file([page], "TIFF", images.Settings(), "a").data
    (again,) = images.read_file(result)
    assert again.storage == page.storage
    np.testing.assert_array_equal(again.picture, stored)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_equal_bytes(kind):
    """No time is in a file: the sRGB profile that Little CMS makes has one."""
    header = images.SRGB.tobytes()[24:36]
    assert header == b"\x07\xd0\0\1\0\1" + bytes(6)
    assert images.encode(WIDE, kind) == images.encode(WIDE, kind)


# ---- By exiftool.

WRITTEN = {
    "EXIF:DateTimeOriginal": "1936:05:01 12:00:00",
    "EXIF:Artist": "Zoë Müller",
    "EXIF:Copyright": "(c) Zürich",
    "EXIF:ImageDescription": "May Day",
    "EXIF:ExposureTime": "1/60",
    "EXIF:UserComment": "hello",
    "EXIF:LensModel": "X",
    "EXIF:ModifyDate": "2001:01:01 00:00:00",
    "EXIF:GPSLatitudeRef": "North",
    "XMP:Title": "Mai in Zürich",
}
KEYWORDS = ["parade", "zürich"]


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_exiftool_reads_what_it_wrote(kind, order, tmp_path):
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool")
    path = tmp_path / f"a.{SUFFIXES[kind]}"
    path.write_bytes(encode(WIDE, kind))
    tags = {**WRITTEN, "EXIF:Orientation#": "6", "EXIF:ExifByteOrder": order}
    lists = [f"-IPTC:Keywords={word}" for word in KEYWORDS if kind in ("JPEG", "TIFF")]
    write = [f"-{name}={value}" for name, value in tags.items()]
    options = ["-q", "-overwrite_original", "-charset", "iptc=utf8"]
    exiftool(*options, *write, *lists, path)
    (page,) = images.read_file(path.read_bytes())
    assert page.picture.shape == (32, 20, 3)
    path.write_bytes(images.encode_file([page], kind, images.Settings(), "a").data)
    read = ["-j", "-G", "-charset", "iptc=utf8", path]
    (found,) = json.loads(exiftool(*read))
    assert {name: found.get(name) for name in WRITTEN} == WRITTEN
    assert found["EXIF:Software"] == SOFTWARE
    assert found.get("EXIF:Orientation") == "Horizontal (normal)"
    assert found["XMP:DigitalSourceType"] == SOURCE_TYPE
    assert found.get("IPTC:Keywords") == (KEYWORDS if lists else None)
    assert "Warning" not in str(found)


def exiftool(*arguments: str | Path) -> str:
    command = ["exiftool", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_texts_of_png():
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "May Day")
    info.add_itxt("Author", "Zoë")
    info.add_text("Software", "VueScan")
    (page,) = images.read_file(encode(WIDE, pnginfo=info))
    result = images.encode_file([page], "PNG", images.Settings(), "a").data
    with Image.open(io.BytesIO(result)) as image:
        image.load()
        kept = {key: str(value) for key, value in image.text.items()}
    del kept["XML:com.adobe.xmp"]
    assert kept == {"Title": "May Day", "Author": "Zoë"}
