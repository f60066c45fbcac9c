"""Hints as the command line gives them: `--hint X,Y=COLOR[,RADIUS]`, `--hints FILE`,
`--exemplar FILE`, `--palette COLORS`."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from colorjax.apps import options
from colorjax.apps.guide import hint_options
from colorjax.apps.guide.hint_files import HintFiles
from colorjax.apps.guide.hint_options import Mark
from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.images import Picture


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
            own = Guide(
                points,
                only_here=self.only_here,
                palette=self.palette,
                exemplar=self.exemplar,
            )
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
        type=hint_options.mark,
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
    hint_options.add_arguments(add)


def asked(args: argparse.Namespace) -> Asked | None:
    """What the arguments ask of the colors, if they do.

    Raises `UserError` if a file cannot be used.
    """
    files = None if args.hints is None else HintFiles(args.hints)
    exemplar = hint_options.read_exemplar(args.exemplar)
    if args.only_here and files is None and not args.marks:
        raise UserError("--only-here needs --hint or --hints")
    asked = Asked(args.marks, files, args.only_here, args.palette or [], exemplar)
    is_empty = (
        files is None and exemplar is None and not args.marks and not args.palette
    )
    return None if is_empty else asked
