"""Hints as the command line gives them: `--hint X,Y=COLOR[,RADIUS]`, `--hints FILE`."""

import argparse
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
        x, y = fraction(self.x, width, 0.5), fraction(self.y, height, 0.5)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise UserError(
                f"--hint {self.text} is outside of the picture, which has "
                f"{width}x{height} pixels; X goes to the right and Y down, from 0"
            )
        short = min(size)
        radius = RADIUS if self.radius is None else fraction(self.radius, short, 0.0)
        return Point(x, y, self.color, radius)


class Asked(NamedTuple):
    """All hints that a command gives for its picture."""

    marks: list[Mark]
    guide: Guide | None
    only_here: bool

    def on(self, size: tuple[int, int]) -> Guide:
        """The hints on a picture of `size` = (height, width).

        Raises `UserError` if one is outside, or if strokes have another size.
        """
        points = [mark.on(size) for mark in self.marks]
        if self.guide is None:
            return Guide(points, None, self.only_here)
        only_here = self.only_here or self.guide.only_here
        guide = Guide([*points, *self.guide.points], self.guide.strokes, only_here)
        guide.check_size(size)
        return guide


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
    """The hints of the arguments, if there are any.

    Raises `UserError` if the file of hints cannot be used.
    """
    if not args.marks and args.hints is None:
        if args.only_here:
            raise UserError("--only-here needs --hint or --hints")
        return None
    guide = None if args.hints is None else hints.load(args.hints)
    return Asked(args.marks, guide, args.only_here)


def fraction(length: str, full: int, center: float) -> float:
    """A length as a fraction of `full` pixels, to the `center` of its pixel."""
    if length.endswith("%"):
        return float(length[:-1]) / 100
    return (float(length) + center) / full
