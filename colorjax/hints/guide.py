"""What a person asks of the colors of a picture: a `Guide` of points and strokes, which
have places, and of a palette and an exemplar, which have none.

A color gives hue and chroma only: its ab is taken and its L is ignored. Where L leaves
no room for that much chroma, as in white or black, the chroma is reduced to what the
sRGB gamut holds. `reading` reads a guide.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from colorjax import images
from colorjax.config import check_type
from colorjax.errors import UserError
from colorjax.images import Picture

COLOR = "#[0-9a-fA-F]{6}"
NEUTRAL, GREY = "neutral", "#808080"  # the name of a color without chroma; such a color
RADIUS = 1 / 64  # of the short side: 4 of 256 pixels, where a network gives one color
EXEMPLAR_SIDE = 256  # pixels: the short side of an exemplar; the long one is at most 4x
PICTURES = ("strokes", "exemplar")  # the fields of a guide that are pictures


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    """A color at a place.

    `x`, to the right, and `y`, down, are fractions of the picture's sides. `color` is
    written as "#aa5533"; "neutral" is grey. `radius`, a fraction of the short side, is
    that of the disc that gets exactly this color. Raises `UserError` for other values.
    """

    x: float
    y: float
    color: str
    radius: float = RADIUS

    def __post_init__(self):
        for key in ("x", "y", "radius"):
            check_type(f"hint: {key}", getattr(self, key), float)
        if not (0 <= self.x <= 1 and 0 <= self.y <= 1):
            raise UserError(
                f"the hint at {100 * self.x:g}%,{100 * self.y:g}% is outside of the "
                "picture; X and Y are between 0% and 100%"
            )
        if not 0 <= self.radius <= 1:
            raise UserError(
                f"the radius of a hint is {100 * self.radius:g}% of the short side; it "
                "must be between 0% and 100%"
            )
        check_color(self.color)

    def levels(self) -> tuple[int, ...]:
        """The color as sRGB levels, 0 to 255."""
        color = GREY if self.color == NEUTRAL else self.color
        return tuple(bytes.fromhex(color[1:]))


@dataclasses.dataclass(frozen=True, eq=False)
class Guide:
    """All that a person asks of the colors of one picture.

    `strokes` is a picture of the same size with alpha, whose opaque pixels are hints.
    With `only_here`, pixels away from the hints keep the colors that they would have
    without hints. With a `palette` of colors such as "#aa5533", all colors of the
    picture are mixtures of these. `exemplar` is a picture whose colors the result
    resembles; it is reduced to a short side of `EXEMPLAR_SIDE` pixels and 8 bits.
    `text` is for a network that reads words. The order of `points` has no effect.
    Raises `UserError` if nothing is asked for, if a color is not valid, or if `strokes`
    has no alpha or no opaque pixel.
    """

    points: Sequence[Point] = ()
    strokes: Picture | None = None
    only_here: bool = False
    palette: Sequence[str] = ()
    exemplar: UInt8[np.ndarray, "h2 w2 c2"] | UInt16[np.ndarray, "h2 w2 c2"] | None = (
        None
    )
    text: str = ""

    def __post_init__(self):
        object.__setattr__(self, "points", tuple(sorted(set(self.points))))
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
        elif self.exemplar is None and not (self.points or self.palette or self.text):
            raise UserError(
                "there are no hints: points, strokes, palette, exemplar, text"
            )

    @property
    def has_places(self) -> bool:
        """Whether there are hints that have places: points or strokes."""
        return bool(self.points) or self.strokes is not None

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

    def covered(self, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """The pixels in the discs of points and under strokes, on a picture of
        `size`."""
        own = np.zeros(size, bool) if self.strokes is None else self.opaque().copy()
        y, x = (np.arange(count) + 0.5 for count in size)
        for point in self.points:
            distance = np.hypot((y - point.y * size[0])[:, None], x - point.x * size[1])
            own |= distance <= max(1.0, point.radius * min(size))
        return own

    def joined(self, other: "Guide") -> "Guide":
        """What both ask for; where they disagree, what `other` does.

        The strokes of both must have the same size.
        """
        strokes = self.strokes if other.strokes is None else other.strokes
        if self.strokes is not None:
            strokes = self.strokes.copy()
            strokes[other.covered(strokes.shape[:2])] = 0
            if other.strokes is not None:
                strokes[other.opaque()] = other.strokes[other.opaque()]
            strokes = strokes if (strokes[..., 3] == 255).any() else None
        return Guide(
            [*self.points, *other.points],
            strokes,
            self.only_here or other.only_here,
            other.palette or self.palette,
            self.exemplar if other.exemplar is None else other.exemplar,
            other.text or self.text,
        )

    def to_json(self) -> str:
        """The guide as JSON, which `from_json` reads; pictures as PNG in base 64."""
        values: dict[str, Any] = {"points": list(map(dataclasses.asdict, self.points))}
        for key in PICTURES:
            if (picture := getattr(self, key)) is not None:
                png = images.encode(picture, "PNG")
                values[key] = base64.b64encode(png).decode()
        if self.palette:
            values["palette"] = list(self.palette)
        if self.text:
            values["text"] = self.text
        return json.dumps(values | {"only_here": self.only_here}, indent=2) + "\n"


def check_color(color: Any) -> None:
    """Raise `UserError` unless `color` is written as "#aa5533" or is "neutral"."""
    valid = isinstance(color, str) and re.fullmatch(COLOR, color)
    if not valid and color != NEUTRAL:
        raise UserError(f"'{color!s:.50}' is no color; write '#aa5533' or '{NEUTRAL}'")


def _palette_color(color: str) -> str:
    """A color of a palette, as `Guide` keeps it. Raises `UserError` if it is not
    valid."""
    if not re.fullmatch(COLOR, color.strip()):
        raise UserError(
            f"palette: '{color:.50}' is no color; write colors as '#aa5533,#224488'"
        )
    return color.strip()
