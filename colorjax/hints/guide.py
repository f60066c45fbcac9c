"""What a person asks of the colors of a picture: a `Guide` of points, strokes and
boxes, which have places, and of a palette and an exemplar, which have none.

A color gives hue and chroma only: its ab is taken and its L is ignored. Where L leaves
no room for that much chroma, as in white or black, the chroma is reduced to what the
sRGB gamut holds. `reading` reads a guide.
"""

import base64
import dataclasses
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from colorjax import images
from colorjax.errors import UserError
from colorjax.hints.places import COLOR, Box, Point
from colorjax.images import Picture

EXEMPLAR_SIDE = 256  # pixels: the short side of an exemplar; the long one is at most 4x
PICTURES = ("strokes", "exemplar")  # the fields of a guide that are pictures


@dataclasses.dataclass(frozen=True, eq=False)
class Guide:
    """All that a person asks of the colors of one picture.

    `strokes` is a picture of the same size with alpha, whose opaque pixels are hints.
    Where hints lie on each other, strokes are in front of points and points in front of
    `boxes`, of which the smaller one is in front. The order of points and of boxes has
    no effect. With `only_here`, pixels away from the hints keep the colors that they
    would have without hints.

    With a `palette` of colors such as "#aa5533", all colors of the picture are mixtures
    of these. `exemplar` is a picture whose colors the result resembles; it is reduced
    to a short side of `EXEMPLAR_SIDE` pixels and 8 bits. `text` is for a network that
    reads words.

    Raises `UserError` if nothing is asked for, if a color is not valid, or if `strokes`
    has no alpha or no opaque pixel.
    """

    points: Sequence[Point] = ()
    strokes: Picture | None = None
    boxes: Sequence[Box] = ()
    only_here: bool = False
    palette: Sequence[str] = ()
    exemplar: UInt8[np.ndarray, "h2 w2 c2"] | UInt16[np.ndarray, "h2 w2 c2"] | None = (
        None
    )
    text: str = ""

    def __post_init__(self):
        object.__setattr__(self, "points", tuple(sorted(set(self.points))))
        object.__setattr__(self, "boxes", tuple(sorted(set(self.boxes))))
        object.__setattr__(self, "palette", tuple(map(_palette_color, self.palette)))
        if self.exemplar is not None:
            picture = images.on_white(images.to_8_bits(self.exemplar))
            side = EXEMPLAR_SIDE, 4 * EXEMPLAR_SIDE
            object.__setattr__(self, "exemplar", images.resize_short(picture, *side))
        if self.strokes is not None:
            if self.strokes.ndim != 3 or self.strokes.shape[2] != 4:
                raise UserError(
                    "the strokes have no transparent pixels; paint on a transparent "
                    "layer, and save that layer alone"
                )
            object.__setattr__(self, "strokes", images.to_8_bits(self.strokes))
            if not self.opaque().any():
                raise UserError("the strokes have no opaque pixel")
        asked = self.has_places or self.palette or self.text
        if not asked and self.exemplar is None:
            raise UserError(
                "there are no hints: points, strokes, boxes, palette, exemplar, text"
            )

    @property
    def has_places(self) -> bool:
        """Whether there are hints that have places: points, strokes or boxes."""
        return bool(self.points or self.boxes) or self.strokes is not None

    def opaque(self) -> Bool[np.ndarray, "h w"]:
        """Which pixels of the strokes are hints."""
        assert self.strokes is not None
        return self.strokes[..., 3] == 255

    def check_size(self, size: tuple[int, int]) -> None:
        """Raise `UserError` unless the strokes have the picture's (height, width)."""
        if self.strokes is not None and self.strokes.shape[:2] != tuple(size):
            height, width = self.strokes.shape[:2]
            raise UserError(
                f"the strokes have {width}x{height} pixels and the picture "
                f"{size[1]}x{size[0]}; both must have the same size"
            )

    def filled(self, size: tuple[int, ...]) -> UInt8[np.ndarray, "h w 4"]:
        """The boxes as strokes, on a picture of `size`; the rest is transparent."""
        strokes = np.zeros((*size, 4), np.uint8)
        for box in sorted(self.boxes, key=lambda box: -box.area):
            rows = _between(box.y0, box.y1, size[0])
            columns = _between(box.x0, box.x1, size[1])
            strokes[rows, columns] = *box.levels(), 255
        return strokes

    def covered(self, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """The pixels in the discs of points, under strokes and in boxes, on a picture
        of `size`."""
        return self._in_front(size) | (self.filled(size)[..., 3] == 255)

    def _in_front(self, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """The pixels in the discs of points and under strokes."""
        own = np.zeros(size, bool) if self.strokes is None else self.opaque().copy()
        y, x = (np.arange(count) + 0.5 for count in size)
        for point in self.points:
            distance = np.hypot((y - point.y * size[0])[:, None], x - point.x * size[1])
            own |= distance <= max(1.0, point.radius * min(size))
        return own

    def without_boxes(self, size: tuple[int, int]) -> "Guide":
        """The same hints with strokes in place of boxes, on a picture of `size`.

        Hints on film are such, because strokes can follow the motion of what they lie
        on.
        """
        if not self.boxes:
            return self
        strokes = _beneath(self.filled(size), self._in_front(size), self)
        return dataclasses.replace(self, strokes=strokes, boxes=())

    def joined(self, other: "Guide") -> "Guide":
        """What both ask for; where they disagree, what `other` does.

        The strokes of both must have the same size.
        """
        strokes = other.strokes
        if self.strokes is not None:
            cut = other.covered(self.strokes.shape[:2])
            strokes = _beneath(self.strokes, cut, other)
        hidden = {x for x in self.points if any(box.holds(x) for box in other.boxes)}
        return Guide(
            points=[*(set(self.points) - hidden), *other.points],
            strokes=strokes,
            boxes=[*self.boxes, *other.boxes],
            only_here=self.only_here or other.only_here,
            palette=other.palette or self.palette,
            exemplar=self.exemplar if other.exemplar is None else other.exemplar,
            text=other.text or self.text,
        )

    def to_json(self) -> str:
        """The guide as JSON, which `from_json` reads; pictures as PNG in base 64."""
        values: dict[str, Any] = {"points": list(map(dataclasses.asdict, self.points))}
        if self.boxes:
            values["boxes"] = list(map(dataclasses.asdict, self.boxes))
        for key in PICTURES:
            if (picture := getattr(self, key)) is not None:
                png = images.encode(picture, "PNG")
                values[key] = base64.b64encode(png).decode()
        if self.palette:
            values["palette"] = list(self.palette)
        if self.text:
            values["text"] = self.text
        return json.dumps(values | {"only_here": self.only_here}, indent=2) + "\n"


def _palette_color(color: str) -> str:
    """A color of a palette, as `Guide` keeps it. Raises `UserError` if it is not
    valid."""
    if not re.fullmatch(COLOR, color.strip()):
        raise UserError(
            f"palette: '{color:.50}' is no color; write colors as '#aa5533,#224488'"
        )
    return color.strip()


def _between(low: float, high: float, count: int) -> slice:
    """The pixels of an axis whose centers are between two fractions of it, at least
    one."""
    first, end = math.ceil(low * count - 0.5), math.floor(high * count + 0.5)
    if first < end:
        return slice(first, end)
    middle = min(int((low + high) / 2 * count), count - 1)
    return slice(middle, middle + 1)


def _beneath(
    strokes: Picture, cut: Bool[np.ndarray, "h w"], front: Guide
) -> Picture | None:
    """The strokes without the pixels `cut`, and with those of `front` on them; None if
    none is left."""
    strokes = strokes.copy()
    strokes[cut] = 0
    if front.strokes is not None:
        strokes[front.opaque()] = front.strokes[front.opaque()]
    return strokes if (strokes[..., 3] == 255).any() else None
