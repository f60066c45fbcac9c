"""Hints as the command line gives them: `--hint X,Y=COLOR[,RADIUS]`, `--hints FILE`,
`--exemplar FILE`, `--palette COLORS`."""

import argparse
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from colorjax import hints, images
from colorjax.apps import options
from colorjax.apps.colorize.hint_files import HintFiles
from colorjax.errors import UserError
from colorjax.hints import RADIUS, Guide, Point
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


class Asked(NamedTuple):
    """All that a command asks of the colors of its pictures."""

    marks: list[Mark]
    files: HintFiles | None
    only_here: bool
    palette: list[str]
    exemplar: Picture | None

    @property
    def is_of_one_picture(self) -> bool:
        """Whether there are hints for places that are those of one picture."""
        return bool(self.marks) or (self.files is not None and not self.files.is_folder)

    def has_places(self, picture: Path | None) -> bool:
        """Whether there are hints for places of a picture; standard input is None."""
        file = self.files and self.files.file(picture)
        return bool(self.marks) or file is not None

    def are_kept(self, picture: Path | None) -> bool:
        """Whether a file beside the result keeps the hints for a picture."""
        return self.has_places(picture) or self.exemplar is not None

    def without_picture(self, pictures: list[Path | None]) -> list[str]:
        """A message on each file of a folder of hints that none of the pictures uses.

        Raises `UserError` if they use none.
        """
        if self.files is None or not self.files.is_folder:
            return []
        if not any(map(self.has_places, pictures)):
            raise UserError(f"{self.files.path}: no hints for any of the pictures")
        return [
            f"{file}: not used; there is no such picture, or other hints for it"
            for file in self.files.without_picture(pictures)
        ]

    def on(self, picture: Path | None, size: tuple[int, int]) -> Guide | None:
        """The hints for a picture of `size` = (height, width), if there are any.

        Raises `UserError` if a file cannot be used, if a hint is outside of the picture
        or if strokes have another size.
        """
        guide = self.files and self.files.load(picture, size)
        points = [mark.on(size) for mark in self.marks]
        if points or self.palette or self.exemplar is not None:
            own = Guide(points, None, self.only_here, self.palette, self.exemplar)
            return own if guide is None else guide.joined(own)
        if guide is None:
            return None
        only_here = self.only_here or guide.only_here
        return dataclasses.replace(guide, only_here=only_here)


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
        help="a .json file of hints; or a .png of strokes, as large as the picture, "
        "whose opaque pixels are hints; or a folder with such files, NAME.hints.json "
        "or NAME.png, for several pictures",
    )
    add(
        "--exemplar",
        type=options.path,
        metavar="FILE",
        help="a picture in color that the results resemble in their colors",
    )
    add(
        "--only-here",
        action="store_true",
        help="away from the hints keep the colors that are predicted without them",
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


def asked(args: argparse.Namespace) -> Asked | None:
    """What the arguments ask of the colors, if they do.

    Raises `UserError` if a file cannot be used.
    """
    files = None if args.hints is None else HintFiles(args.hints)
    exemplar = None if args.exemplar is None else read_exemplar(args.exemplar)
    if args.only_here and files is None and not args.marks:
        raise UserError("--only-here needs --hint or --hints")
    asked = Asked(args.marks, files, args.only_here, args.palette or [], exemplar)
    is_empty = (
        files is None and exemplar is None and not args.marks and not args.palette
    )
    return None if is_empty else asked


def read_exemplar(path: str) -> Picture:
    """The picture in the file of `--exemplar`. Raises `UserError` if there is none."""
    return images.read_full(images.load_bytes(path), path)


def fraction(length: str, full: int, center: float) -> float:
    """A length as a fraction of `full` pixels, to the `center` of its pixel."""
    if length.endswith("%"):
        return float(length[:-1]) / 100
    return (float(length) + center) / full
