"""The options for hints that several commands have, and the values of `--hint`."""

import argparse
import re
from collections.abc import Callable
from typing import NamedTuple

from colorjax import hints, images
from colorjax.apps import options
from colorjax.errors import UserError
from colorjax.hints import RADIUS, Point
from colorjax.images import Picture

LENGTH = r"(-?(?:\d+\.?\d*|\.\d+)%?)"
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


def add_arguments(add: Callable[..., object]) -> None:
    """Declare, with `add`, the arguments that mean the same in all commands."""
    add(
        "--only-here",
        action="store_true",
        help="away from the hints keep the colors that are predicted without them",
    )
    add(
        "--exemplar",
        type=options.path,
        metavar="FILE",
        help="a picture in color that the results resemble in their colors",
    )


def mark(text: str) -> Mark:
    """A value of `--hint`."""
    match = MARK.fullmatch(text.replace(" ", ""))
    if match is None:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no hint like 120,80=#aa5533 or 25%,60%=neutral,2%"
        )
    x, y, color, radius = match.groups()
    try:
        hints.check_color(color)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Mark(text, x, y, color, radius)


def read_exemplar(path: str | None) -> Picture | None:
    """The picture in the file of `--exemplar`, if the option is used.

    Raises `UserError` if the file is no picture.
    """
    return None if path is None else images.read_full(images.load_bytes(path), path)


def fraction(length: str, full: int, center: float) -> float:
    """A length as a fraction of `full` pixels, to the `center` of its pixel."""
    if length.endswith("%"):
        return float(length[:-1]) / 100
    return (float(length) + center) / full
