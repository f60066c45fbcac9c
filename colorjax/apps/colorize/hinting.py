"""Hints as the command line gives them: `--hint X,Y=COLOR[,RADIUS]`, `--hints FILE`."""

import argparse
import dataclasses
import re
from collections.abc import Callable
from typing import NamedTuple

from colorjax import hints
from colorjax.apps import options
from colorjax.errors import UserError
from colorjax.hints import RADIUS, Guide, Point

LENGTH = r"(-?[\d.]+%?)"
MARK = re.compile(rf"{LENGTH},{LENGTH}=([^,]+)(?:,{LENGTH})?")


class Mark(NamedTuple):
    """A value of `--hint`. Lengths are in pixels of the picture, or in % of a side."""

    text: str
    x: str
    y: str
    color: str
    radius: str | None

    def on(self, size: tuple[int, int]) -> Point:
        """The point on a picture of `size` = (height, width).

        Raises `UserError` if it lies outside of the picture.
        """
        height, width = size
        x, y = _fraction(self.x, width, 0.5), _fraction(self.y, height, 0.5)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise UserError(
                f"--hint {self.text} is outside of the picture, which has "
                f"{width}x{height} pixels; X goes to the right and Y down, from 0"
            )
        short = min(size)
        radius = RADIUS if self.radius is None else _fraction(self.radius, short, 0.0)
        return Point(x, y, self.color, radius)


class Asked(NamedTuple):
    """All that a command asks of the colors of its picture.

    `guide` are the hints of `file`, if there is one.
    """

    marks: list[Mark]
    file: str | None
    guide: Guide | None
    only_here: bool
    palette: list[str]

    @property
    def has_places(self) -> bool:
        """Whether there are hints for places, which are those of one picture."""
        return bool(self.marks) or self.guide is not None

    def on(self, size: tuple[int, int]) -> Guide:
        """The hints on a picture of `size` = (height, width).

        Raises `UserError` if one is outside, or if strokes have another size.
        """
        points = [mark.on(size) for mark in self.marks]
        if self.guide is None:
            return Guide(points, None, self.only_here, self.palette)
        try:
            self.guide.check_size(size)
        except UserError as error:
            raise UserError(f"{self.file}: {error}") from error
        return dataclasses.replace(
            self.guide,
            points=[*points, *self.guide.points],
            only_here=self.only_here or self.guide.only_here,
            palette=self.palette or self.guide.palette,
        )


def add_arguments(add: Callable[..., object]) -> None:
    """Declare, with `add`, the arguments for hints."""
    add(
        "--hint",
        dest="marks",
        type=mark,
        action="append",
        default=[],
        metavar="X,Y=COLOR[,RADIUS]",
        help="a color, such as '#aa5533' or neutral, at a place; X to the right and Y "
        "down, in pixels or, as 25%%, of the picture; repeat the option for others",
    )
    add(
        "--hints",
        type=options.path,
        metavar="FILE",
        help="a .json file of hints, or a .png of strokes, as large as the picture, "
        "whose opaque pixels are hints",
    )
    add(
        "--only-here",
        action="store_true",
        help="away from the hints keep the colors that are predicted without them",
    )


def mark(text: str) -> Mark:
    """A value of `--hint`."""
    match = MARK.fullmatch(text.replace(" ", ""))
    try:
        if match is None:
            raise ValueError
        x, y, color, radius = match.groups()
        for length in (x, y, radius or "0"):
            float(length.removesuffix("%"))
        hints.check_color(color)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no hint like 120,80=#aa5533 or 25%,60%=neutral,2%"
        ) from error
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Mark(text, x, y, color, radius)


def asked(args: argparse.Namespace) -> Asked | None:
    """What the arguments ask of the colors, if they do.

    Raises `UserError` if the file of hints cannot be used.
    """
    guide = None if args.hints is None else hints.load(args.hints)
    asked = Asked(args.marks, args.hints, guide, args.only_here, args.palette or [])
    if args.only_here and not asked.has_places:
        raise UserError("--only-here needs --hint or --hints")
    return asked if asked.has_places or asked.palette else None


def _fraction(length: str, full: int, center: float) -> float:
    """A length as a fraction of `full` pixels, to the `center` of its pixel."""
    if length.endswith("%"):
        return float(length[:-1]) / 100
    return (float(length) + center) / full
