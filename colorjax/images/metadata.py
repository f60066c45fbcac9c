"""What a picture file says of its picture: EXIF, IPTC-IIM, XMP, resolution, texts.

The dates stay those of the source: no clock is read. `Software` becomes colorjax.
"""

import re
import struct
from typing import Any, NamedTuple

from PIL import Image

from colorjax import __version__
from colorjax.images import exif
from colorjax.images.exif import Exif

SOFTWARE = f"colorjax {__version__}"
# IPTC's term for a picture of which a trained model made a part.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
EMPTY_XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)
NO_EXIF = Exif("<", {}, {}, {})
IPTC_RESOURCE = 0x0404  # of Photoshop's image resources


class Metadata(NamedTuple):
    """What a file says of its picture.

    `dpi` is the resolution that stands outside of EXIF, in pixels per inch (JFIF, PNG).
    `texts` are the text chunks of PNG.
    """

    exif: Exif = NO_EXIF
    xmp: bytes = b""
    iptc: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    comment: bytes = b""


def of_image(image: Image.Image) -> Metadata:
    """The metadata of a decoded file that Pillow opened, but no TIFF file."""
    info = image.info
    texts = {k: v for k, v in getattr(image, "text", {}).items() if isinstance(v, str)}
    raw = texts.pop("Raw profile type iptc", "")
    names = [n for n in texts if n.startswith(("Raw profile type", "XML:com.adobe"))]
    for name in [*names, *({"Software"} & texts.keys())]:
        del texts[name]
    photoshop = info.get("photoshop")
    iptc = photoshop.get(IPTC_RESOURCE) if isinstance(photoshop, dict) else None
    tags = exif.read_block(_bytes(info.get("exif"))) or NO_EXIF
    return Metadata(
        tags,
        _bytes(info.get("xmp")),
        _bytes(iptc) or _from_raw_profile(raw),
        exif.dots_per_inch(tags) or _resolution(info.get("dpi")),
        tuple(texts.items()),
        _bytes(info.get("comment")) if image.format in ("GIF", "JPEG") else b"",
    )


def of_tiff(tags: Exif) -> Metadata:
    """The metadata of a page of a TIFF file."""
    xmp, iptc = (
        tags.first[code].data if code in tags.first else b""
        for code in (exif.XMP, exif.IPTC)
    )
    return Metadata(tags, xmp, iptc, exif.dots_per_inch(tags))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def _resolution(dpi: Any) -> tuple[float, float] | None:
    """The resolution if it is one: some files say 0 or 1 for "unknown"."""
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 1 < x < 1e6 and 1 < y < 1e6 else None


def _from_raw_profile(profile: str) -> bytes:
    """The IPTC of a PNG's text chunk, hexadecimal after a name and a length."""
    parts = profile.split()
    try:
        data = bytes.fromhex("".join(parts[2:]))
    except ValueError:
        return b""
    if data.startswith(b"Photoshop 3.0\0"):
        data = data[14:]
    return _from_resources(data) if data.startswith(b"8BIM") else data


def _from_resources(data: bytes) -> bytes:
    """The IPTC among Photoshop's image resources."""
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        (kind,) = struct.unpack_from(">H", data, at + 4)
        name = 1 + data[at + 6]
        at += 6 + name + name % 2
        size = int.from_bytes(data[at : at + 4])
        if kind == IPTC_RESOURCE:
            return data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return b""


def iptc_resource(iptc: bytes) -> bytes:
    """The IPTC as one of Photoshop's image resources, as JPEG and PNG hold it."""
    head = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc))
    return b"Photoshop 3.0\0" + head + iptc + bytes(len(iptc) % 2)


def updated(
    metadata: Metadata, size: tuple[int, int], drop: bool = False, mark: bool = True
) -> Metadata:
    """The metadata of a colorized picture of `size` = (width, height).

    `drop` leaves out all that the source says. `mark` adds to XMP that a model made a
    part of the picture.
    """
    if drop:
        metadata = Metadata()
        tags = NO_EXIF
    else:
        tags = exif.updated(metadata.exif, size, SOFTWARE)
    xmp = _true_xmp(metadata.xmp, size) if metadata.xmp else b""
    if mark:
        xmp = _marked(xmp)
    dpi = metadata.dpi
    turn = metadata.exif.first.get(exif.ORIENTATION)
    if dpi and turn and exif.number(turn, metadata.exif.order) >= 5:
        dpi = dpi[::-1]
    return metadata._replace(exif=tags, xmp=xmp, dpi=dpi)


def _true_xmp(xmp: bytes, size: tuple[int, int]) -> bytes:
    """XMP with the true orientation and size, colorjax as its tool and no thumbnail."""
    xmp = re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", xmp, flags=re.DOTALL)
    width, height = (str(side).encode() for side in size)
    values = {
        b"tiff:Orientation": b"1",
        b"tiff:ImageWidth": width,
        b"tiff:ImageLength": height,
        b"exif:PixelXDimension": width,
        b"exif:PixelYDimension": height,
        b"exif:ColorSpace": b"1",
        b"xmp:CreatorTool": SOFTWARE.encode(),
        b"tiff:Software": SOFTWARE.encode(),
    }
    for name, value in values.items():
        xmp = _set(xmp, name, value)
    return xmp


def _set(xmp: bytes, name: bytes, value: bytes) -> bytes:
    """XMP in which a property, an attribute or an element, has another value."""
    attribute = rb"(\s" + name + rb"\s*=\s*)(\"[^\"]*\"|'[^']*')"
    xmp = re.sub(attribute, lambda m: m[1] + b'"' + value + b'"', xmp)
    element = rb"(<" + name + rb">)[^<]*(</" + name + rb">)"
    return re.sub(element, lambda m: m[1] + value + m[2], xmp)


def _marked(xmp: bytes) -> bytes:
    """XMP that names `SOURCE_TYPE`, in place of another one."""
    end = b"</rdf:RDF>"
    if end not in xmp:
        xmp = EMPTY_XMP
    name = rb"[\w.-]+:DigitalSourceType"
    xmp = re.sub(rb"\s" + name + rb"\s*=\s*(\"[^\"]*\"|'[^']*')", b"", xmp)
    xmp = re.sub(rb"<(" + name + rb")>[^<]*</\1>\s*", b"", xmp)
    xmp = re.sub(rb"<" + name + rb"\s[^<>]*/>\s*", b"", xmp)
    about = re.search(rb"rdf:about\s*=\s*(\"[^\"]*\"|'[^']*')", xmp)
    description = (
        b"<rdf:Description rdf:about=" + (about[1] if about else b'""') + b"\n "
        b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n '
        b'Iptc4xmpExt:DigitalSourceType="' + SOURCE_TYPE.encode() + b'"/>\n'
    )
    head, _, tail = xmp.rpartition(end)
    return head + description + end + tail
