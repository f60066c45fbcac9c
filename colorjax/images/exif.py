"""The tags of EXIF and TIFF: read and written byte for byte (TIFF 6.0; EXIF 3.0).

Pillow's own writer replaces characters beyond ASCII by question marks and guesses the
types of tags anew. Here a tag keeps its type and its bytes.
"""

import struct
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL.ExifTags import Base


class Tag(NamedTuple):
    """A tag's value: its TIFF type and its bytes, in the byte order of the file."""

    type: int
    data: bytes


ByteOrder = Literal["<", ">"]  # the least or the most significant byte comes first
Directory = dict[int, Tag]  # by the number of the tag

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
SHORT, LONG, RATIONAL = 3, 4, 5
INCH, CENTIMETER = 2, 3  # of ResolutionUnit
ORIENTATION, SOFTWARE = int(Base.Orientation), int(Base.Software)
EXIF, GPS = int(Base.ExifOffset), int(Base.GPSInfo)
XMP, IPTC = 700, 33723

# Tags of the first directory that describe the picture and not how its file stores it.
DESCRIPTIVE = {
    *(Base.DocumentName, Base.ImageDescription, Base.Make, Base.Model),
    *(Base.XResolution, Base.YResolution, Base.ResolutionUnit, Base.PageName),
    *(Base.PageNumber, Base.DateTime, Base.Artist, Base.HostComputer, Base.Copyright),
    *(286, 287, 32781, 18246, 18249),  # position on the page, image id, ratings
    *range(40091, 40096),  # title, comment, author, keywords, subject of Windows
    *(33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113),  # GeoTIFF and GDAL
}
WIDTHS = (int(Base.ExifImageWidth), int(Base.ExifImageHeight))
COLOR_SPACE = int(Base.ColorSpace)
# They describe the source's pixels: areas in it, its gamma, its related files.
UNTRUE = (0x9214, 0xA214, 0xA500, 0xA005)

TURNS = {  # by EXIF orientation: (swap rows and columns, reverse rows, reverse columns)
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


class Exif(NamedTuple):
    """The first directory of an EXIF block, and its EXIF and GPS directories."""

    order: ByteOrder
    first: Directory
    exif: Directory
    gps: Directory


def byte_order(data: bytes) -> ByteOrder:
    """The byte order that the header of a TIFF file names, "<" or ">"."""
    return ">" if data[:2] == b"MM" else "<"


def read_block(block: bytes) -> Exif | None:
    """The directories of an EXIF block; None if it has none."""
    block = block.removeprefix(b"Exif\0\0")
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 8:
        return None
    (offset,) = struct.unpack_from(byte_order(block) + "I", block, 4)
    return read_tags(block, offset)


def read_tags(data: bytes, offset: int, big: bool = False) -> Exif:
    """The directory at `offset` of a TIFF file and the EXIF and GPS directories below.

    `big` tells that it is a BigTIFF file. What lies outside of the data is left
    out, and so is a repetition of a tag.
    """
    order = byte_order(data)
    first = _read(data, offset, order, big)
    exif, gps = (
        _read(data, number(first[tag], order), order, big) if tag in first else {}
        for tag in (EXIF, GPS)
    )
    return Exif(order, first, exif, gps)


def _read(data: bytes, offset: int, order: str, big: bool) -> Directory:
    size, length, inline = (20, "Q", 8) if big else (12, "I", 4)
    head = struct.calcsize(order + ("Q" if big else "H"))
    if offset + head > len(data):
        return {}
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    directory: Directory = {}
    for i in range(min(count, (len(data) - offset - head) // size, 4096)):
        at = offset + head + size * i
        code, kind, values = struct.unpack_from(f"{order}HH{length}", data, at)
        bytes_ = values * TYPE_SIZES.get(kind, 0)
        start = at + size - inline
        if bytes_ > inline:
            (start,) = struct.unpack_from(order + length, data, start)
        if bytes_ > 0 and start + bytes_ <= len(data):
            # The first of equal tags counts.
            directory.setdefault(code, Tag(kind, data[start : start + bytes_]))
    return directory


def number(tag: Tag, order: str) -> int:
    """The first value of a tag of whole numbers; 0 for other types."""
    codes = {1: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q"}
    code = order + codes.get(tag.type, "B")
    if tag.type not in codes or len(tag.data) < struct.calcsize(code):
        return 0
    return struct.unpack_from(code, tag.data)[0]


def dots_per_inch(exif: Exif) -> tuple[float, float] | None:
    """The resolution of the first directory; None if it has none."""
    order, values = exif.order, []
    for code in (Base.XResolution, Base.YResolution):
        tag = exif.first.get(code)
        if tag is None or tag.type != RATIONAL:
            return None
        above, below = struct.unpack_from(order + "II", tag.data)
        values.append(above / below if below else 0)
    unit = number(exif.first.get(Base.ResolutionUnit, short(INCH, order)), order)
    scale = {INCH: 1.0, CENTIMETER: 2.54}.get(unit, 0)
    x, y = (scale * value for value in values)
    return (x, y) if min(x, y) > 1 else None


def short(value: int, order: str) -> Tag:
    """A tag of one 16-bit number."""
    return Tag(SHORT, struct.pack(order + "H", value))


def long(value: int, order: str) -> Tag:
    """A tag of one 32-bit number."""
    return Tag(LONG, struct.pack(order + "I", value))


def text(value: str) -> Tag:
    """A tag of text."""
    return Tag(2, value.encode() + b"\0")


def updated(exif: Exif, size: tuple[int, int], software: str) -> Exif:
    """The tags made true for an upright sRGB picture of `size` = (width, height).

    The thumbnail is not among them. Resolutions are swapped where the picture is turned
    on its side.
    """
    order = exif.order
    first = {code: tag for code, tag in exif.first.items() if code in DESCRIPTIVE}
    turn = number(exif.first.get(ORIENTATION, short(1, order)), order)
    x, y = int(Base.XResolution), int(Base.YResolution)
    if turn >= 5 and x in first and y in first:
        first[x], first[y] = first[y], first[x]
    first |= {ORIENTATION: short(1, order), SOFTWARE: text(software)}
    below = {code: tag for code, tag in exif.exif.items() if code not in UNTRUE}
    true = dict(zip(WIDTHS, (long(side, order) for side in size), strict=True))
    true[COLOR_SPACE] = short(1, order)
    below |= {code: tag for code, tag in true.items() if code in below}
    return Exif(order, first, below, exif.gps)


def write_block(exif: Exif) -> bytes:
    """The block of EXIF, from its TIFF header on."""
    order = exif.order
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    pointers = {EXIF: exif.exif, GPS: exif.gps}
    first = exif.first | {tag: long(0, order) for tag in pointers if pointers[tag]}
    at = 8 + len(pack(first, order, 8))
    tail = b""
    for tag, directory in pointers.items():
        if directory:
            first[tag] = long(at + len(tail), order)
            tail += pack(directory, order, at + len(tail))
    return head + pack(first, order, 8) + tail


def pack(directory: Directory, order: str, offset: int) -> bytes:
    """The bytes of a directory that is to stand at `offset` of a file."""
    entries, values = b"", b""
    at = offset + 2 + 12 * len(directory) + 4
    for code, tag in sorted(directory.items()):
        entries += struct.pack(
            f"{order}HHI", code, tag.type, len(tag.data) // TYPE_SIZES[tag.type]
        )
        if len(tag.data) <= 4:
            entries += tag.data.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", at + len(values))
            values += tag.data + bytes(len(tag.data) % 2)
    return struct.pack(order + "H", len(directory)) + entries + bytes(4) + values


def upright(picture: np.ndarray, orientation: Any) -> np.ndarray:
    """The picture, turned upright from an EXIF orientation."""
    if orientation in TURNS:
        swapped, *reversed_ = TURNS[orientation]
        if swapped:
            picture = picture.swapaxes(0, 1)
        picture = picture[tuple(slice(None, None, -1 if r else 1) for r in reversed_)]
    return np.ascontiguousarray(picture)
