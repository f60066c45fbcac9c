"""Hints that have a place, in fractions of the picture's sides: `Point` and `Box`."""

import dataclasses
import re
from typing import Any

from colorjax.config import check_type
from colorjax.errors import UserError

COLOR = "#[0-9a-fA-F]{6}"
NEUTRAL, GREY = "neutral", "#808080"  # the name of a color without chroma; such a color
RADIUS = 1 / 64  # of the short side: 4 of 256 pixels, where a network gives one color


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
        return _levels(self.color)


@dataclasses.dataclass(frozen=True, order=True)
class Box:
    """A color in a rectangle: all pixels whose centers are inside, but at least one.

    The upper left corner is (`x0`, `y0`) and the lower right one (`x1`, `y1`), in
    fractions of the picture's sides. `color` is as in `Point`. Raises `UserError` for
    other values, and if the corners are in another order.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    color: str

    def __post_init__(self):
        sides = self.x0, self.y0, self.x1, self.y1
        for key, side in zip(("x0", "y0", "x1", "y1"), sides, strict=True):
            check_type(f"box: {key}", side, float)
        text = ",".join(f"{100 * side:g}%" for side in sides)
        if not all(0 <= side <= 1 for side in sides):
            raise UserError(
                f"the box {text} is outside of the picture; its sides are between 0% "
                "and 100%"
            )
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise UserError(
                f"the box {text} must go from its upper left to its lower right corner"
            )
        check_color(self.color)

    @property
    def area(self) -> float:
        """The share of the picture that it covers."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def levels(self) -> tuple[int, ...]:
        """The color as sRGB levels, 0 to 255."""
        return _levels(self.color)

    def holds(self, point: Point) -> bool:
        """Whether the middle of a point is inside."""
        return self.x0 <= point.x <= self.x1 and self.y0 <= point.y <= self.y1


def check_color(color: Any) -> None:
    """Raise `UserError` unless `color` is written as "#aa5533" or is "neutral"."""
    valid = isinstance(color, str) and re.fullmatch(COLOR, color)
    if not valid and color != NEUTRAL:
        raise UserError(f"'{color!s:.50}' is no color; write '#aa5533' or '{NEUTRAL}'")


def _levels(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex((GREY if color == NEUTRAL else color)[1:]))
