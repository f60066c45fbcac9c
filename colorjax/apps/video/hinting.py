"""Hints for a film as the command line gives them: `--hint TIME@X,Y=COLOR[,RADIUS]`,
`--hints TIME@FILE`, `--exemplar FILE`, `--palette COLORS`, and text."""

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from colorjax.apps import options
from colorjax.apps.guide import hint_options, text_options
from colorjax.apps.guide.hint_files import HintFiles
from colorjax.errors import UserError
from colorjax.hints import Guide

if TYPE_CHECKING:
    from colorjax.apps.video.following import Follower
    from colorjax.apps.video.reader import Video


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


def add_text_arguments(add: Callable[..., object]) -> None:
    """Declare, with `add`, the arguments for text; a place may have a time."""

    def timed(read: Callable[[str], Any]) -> Callable[[str], Timely]:
        return partial(timely, read=read, default=0.0)

    text_options.add_arguments(add, timed, "[TIME@]")


def timely(
    text: str, read: Callable[[str], Any], default: float | None = None
) -> Timely:
    """A value TIME@VALUE, whose value `read` reads; the time may have a default."""
    time, separator, value = text.partition("@")
    if not separator and default is not None:
        return Timely(default, read(text))
    if not separator:
        raise argparse.ArgumentTypeError(
            f"'{text}' has no time; write seconds and @ before it, as 2.5@{text}"
        )
    return Timely(seconds(time), read(value))


def follower(args: argparse.Namespace, video: "Video") -> "Follower":
    """The hints of the arguments for a film, those of the text included.

    Raises `UserError` if a file cannot be used, if a hint is outside of the frame, or
    as `text_hints` does.
    """
    from colorjax.apps.video.following import Follower, Timed  # needs OpenCV
    from colorjax.apps.video.text import text_hints

    size = video.size
    if args.only_here and not (args.marks or args.hints):
        raise UserError("--only-here needs --hint or --hints")
    timed = text_hints(args, video)  # first, so that hints of the same time win
    timed += [
        Timed(time, Guide([place.on(size)], only_here=args.only_here))
        for time, place in args.marks
    ]
    for time, path in args.hints:
        guide = HintFiles(path).load(None, size)
        if guide is None:
            raise UserError(f"--hints {path} is a folder; name a file for each time")
        if guide.text:
            raise UserError(f"--hints {path}: its text is for pictures, not for a film")
        only_here = args.only_here or guide.only_here
        guide = dataclasses.replace(guide.without_boxes(size), only_here=only_here)
        timed.append(Timed(time, guide))
    if args.palette is None and args.exemplar is None:
        return Follower(timed)
    exemplar = hint_options.read_exemplar(args.exemplar)
    return Follower(timed, Guide(palette=args.palette or (), exemplar=exemplar))
