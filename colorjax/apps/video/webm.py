"""The shape of pixels in WebM files: `FILLER`, `set_aspect`.

VP9 does not store it, so the header of the file must. ffmpeg's muxer takes it from a
field that PyAV cannot set. So the video track gets a title that ends with `FILLER`, and
`set_aspect` puts the display size, as Matroska (RFC 9559) defines it, in its place.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

FILLER = "#" * 32
HEADER = 1 << 20  # bytes in which the description of the tracks begins and ends
SEGMENT, TRACKS, TRACK, NAME, VIDEO, VOID = (
    *(b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"),
    *(b"\x53\x6e", b"\xe0", b"\xec"),
)
DISPLAY_WIDTH, DISPLAY_HEIGHT = b"\x54\xb0", b"\x54\xba"


def set_aspect(path: Path, size: tuple[int, int], aspect: Fraction) -> None:
    """Store `aspect`, the width of a pixel divided by its height, in the first track.

    `size` is (height, width) in pixels.
    """
    height, width = size
    shape = aspect * width / height
    scale = math.ceil(height / shape.denominator)  # the least that hides no line
    display = b"".join(
        _element(key, (scale * n).to_bytes(4, "big"))
        for key, n in [
            (DISPLAY_WIDTH, shape.numerator),
            (DISPLAY_HEIGHT, shape.denominator),
        ]
    )
    with path.open("r+b") as file:
        data = file.read(HEADER)
        start, end = 0, len(data)
        for key in (SEGMENT, TRACKS, TRACK):
            start, end = next(x[1:] for x in _elements(data, start, end) if x[0] == key)
        track = b""
        for key, first, last in _elements(data, start, end):
            payload = data[first:last]
            if key == NAME:
                payload = payload.removesuffix(FILLER.encode())
            track += _element(key, payload + display if key == VIDEO else payload)
        file.seek(start)
        file.write(track + _void(end - start - len(track)))


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(key, start, end of the content) of the elements in a range of EBML."""
    while start < end:
        key = data[start : start + 9 - data[start].bit_length()]
        start += len(key)
        length = 9 - data[start].bit_length()
        marked = int.from_bytes(data[start : start + length], "big")
        start += length
        last = start + marked - (1 << 7 * length)
        yield key, start, last
        start = last


def _element(key: bytes, payload: bytes) -> bytes:
    length = 1 if len(payload) < 127 else 4
    return key + (len(payload) | 1 << 7 * length).to_bytes(length, "big") + payload


def _void(count: int) -> bytes:
    """`count` bytes, at least 2, that readers skip."""
    return _element(VOID, bytes(count - 2))
