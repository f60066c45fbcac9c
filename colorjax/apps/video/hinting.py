"""Hints for a film as the command line gives them: `--hint TIME@X,Y=COLOR[,RADIUS]`,
`--hints TIME@FILE`, `--exemplar FILE`, `--palette COLORS`."""

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from colorjax.apps import options
from colorjax.apps.guide import hint_options
from colorjax.apps.guide.hint_files import HintFiles
from colorjax.errors import UserError
from colorjax.hints import Guide

if TYPE_CHECKING:
    from colorjax.apps.video.following import Follower


seconds = options.number(0.0, 1e6)


class Timely(NamedTuple):
    """A value of an option with the time, in seconds, from which it counts."""

    time: float
    value: Any


def add_arguments(add: Callable[..., object]) -> None:
    """Declare, with `add`, the arguments for hints."""
    add(
        "--hint",
        dest="marks",
        type=partial(timely, read=hint_options.mark),
        action="append",
        default=[],
        metavar="TIME@X,Y=COLOR[,RADIUS]",
        help="a color, such as '#aa5533' or neutral, at a place of the frame at a time "
        "in seconds; it follows the motion until the next cut; X to the right and Y "
        "down, in pixels or, as 25%%, of the frame; repeat the option for others",
    )
    add(
        "--hints",
        type=partial(timely, read=options.path),
        action="append",
        default=[],
        metavar="TIME@FILE",
        help="a .json file of hints, or a .png of strokes, as large as a frame, for "
        "the frame at a time in seconds; repeat the option for others",
    )
    hint_options.add_arguments(add)


def timely(text: str, read: Callable[[str], Any]) -> Timely:
    """A value TIME@VALUE, whose value `read` reads."""
    time, separator, value = text.partition("@")
    if not separator:
        raise argparse.ArgumentTypeError(
            f"'{text}' has no time; write seconds and @ before it, as 2.5@{text}"
        )
    return Timely(seconds(time), read(value))


def follower(args: argparse.Namespace, size: tuple[int, int]) -> "Follower":
    """The hints of the arguments for a film of `size` = (height, width).

    Raises `UserError` if a file cannot be used, or if a hint is outside of the frame.
    """
    from colorjax.apps.video.following import Follower, Timed  # needs OpenCV

    if args.only_here and not (args.marks or args.hints):
        raise UserError("--only-here needs --hint or --hints")
    timed = [
        Timed(time, Guide([place.on(size)], None, args.only_here))
        for time, place in args.marks
    ]
    for time, path in args.hints:
        guide = HintFiles(path).load(None, size)
        if guide is None:
            raise UserError(f"--hints {path} is a folder; name a file for each time")
        if guide.text:
            raise UserError(f"--hints {path}: its text is for pictures, not for a film")
        only_here = args.only_here or guide.only_here
        timed.append(Timed(time, dataclasses.replace(guide, only_here=only_here)))
    if args.palette is None and args.exemplar is None:
        return Follower(timed)
    exemplar = hint_options.read_exemplar(args.exemplar)
    return Follower(timed, Guide(palette=args.palette or (), exemplar=exemplar))
