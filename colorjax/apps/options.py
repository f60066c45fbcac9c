"""Kinds of values that options take, each with its range, as types for argparse.

`count`, `index`, `seed`, `factor`, `temperature`, `size`, `palette`, `picture_format`,
`path`, `levels`, `root_path`, `checkpoint` and `setting` read one value each; `whole`
and `number` make such functions for other ranges. A value outside of its range raises
`argparse.ArgumentTypeError`, which the command prints as one line with the name of the
option. `add_size`, `add_decoding` and `add_setting` declare options that several
commands share.
`need_extra` checks for the packages that a command needs beyond those of colorjax.
"""

import argparse
import importlib
import math
import os
import re
from collections.abc import Callable
from typing import Any, Literal

from colorjax import images
from colorjax.command_line import parse_setting
from colorjax.errors import UserError, install_hint

MULTIPLES = {"k": 10**3, "M": 10**6, "G": 10**9}


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type of whole numbers from `least` to `most`.

    It reads 50M, 1.5G and 200e6, too.
    """

    def read(text: str) -> int:
        value = _read_number(text)
        if not value.is_integer():
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number")
        _check_range(text, value, float(least), float(most))
        return int(value)

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """A type of numbers from `least` to `most`."""

    def read(text: str) -> float:
        value = _read_number(text)
        _check_range(text, value, least, most)
        return value

    return read


def _read_number(text: str) -> float:
    """The number that a text like 12, 0.5, 2e6 or 50M names; it is finite."""
    digits, multiple = text.strip(), 1
    if digits[-1:] in MULTIPLES:
        digits, multiple = digits[:-1], MULTIPLES[digits[-1]]
    try:
        value = float(digits) * multiple
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number; write 50 or 1.5M")
    return value


def _check_range(text: str, value: float, least: float, most: float) -> None:
    if value < least:
        raise argparse.ArgumentTypeError(f"{text} is less than {least:,g}")
    if value > most:
        raise argparse.ArgumentTypeError(f"{text} is more than {most:,.12g}")


count = whole(1, 10**12)
index = whole(0, 2**31 - 1)  # of a step
seed = whole(0, 2**31 - 1)
factor = number(0.0, 100.0)  # of saturation
temperature = number(0.001, 1000.0)
size = whole(8, 8192)


def palette(text: str) -> list[str]:
    """Colors such as '#aa5533,#224488'."""
    from colorjax.hints import Guide  # slow to import

    try:
        return list(Guide(palette=text.split(",")).palette)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def picture_format(text: str) -> str:
    """The suffix of a format that can be written, in lower case, without its dot."""
    kind = text.strip().lower().removeprefix(".")
    try:
        images.output_format(f"NAME.{kind}")
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return kind


def path(text: str) -> str:
    """A path, with the home directory in place of a leading `~`."""
    if not text:
        raise argparse.ArgumentTypeError("a path has at least one character")
    return os.path.expanduser(text)


def levels(text: str) -> tuple[float, float]:
    """Black and white, such as 0,4095."""
    try:
        black, white = (_read_number(part) for part in text.split(","))
    except ValueError:
        black = white = 0.0
    if black == white:
        raise argparse.ArgumentTypeError(f"'{text}' is no pair of numbers like 0,4095")
    return black, white


def root_path(text: str) -> str:
    """The path of an address, such as /colorjax."""
    if text and not re.fullmatch(r"(/[\w.~-]+)+", text):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no path of an address such as /colorjax, without a slash at "
            "its end"
        )
    return text


def checkpoint(text: str) -> int | Literal["best"]:
    """The step of a checkpoint, or `best`."""
    return "best" if text == "best" else index(text)


def setting(text: str) -> tuple[str, Any]:
    """The key and the value of an option of a method, such as method.steps=8."""
    try:
        return parse_setting(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--set: ")) from error


def add_setting(add: Callable[..., object]) -> None:
    """Declare, with `add`, the option that changes options of a run's method."""
    add(
        "--set",
        dest="settings",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the method that may change, as in method.steps=8; repeat "
        "the option for others",
    )


def add_size(add: Callable[..., object]) -> None:
    """Declare, with `add`, the option for the size at which the network predicts."""
    add(
        "--size",
        type=size,
        metavar="N",
        help="short side, in pixels, of the picture that the network sees (default: "
        "the run's sizes)",
    )


def add_decoding(add: Callable[..., object]) -> None:
    """Declare, with `add`, the options that decode a prediction to colors."""
    add(
        "--temperature",
        type=temperature,
        help="lower is bolder and patchier (default: the run's)",
    )
    add(
        "--saturation",
        type=factor,
        help="multiplies the chroma; works with any method (default: the run's)",
    )
    add(
        "--palette",
        type=palette,
        metavar="COLORS",
        help="use only the hue and chroma of these colors: '#aa5533,#224488'; the "
        "lightness stays that of the picture",
    )


def need_extra(extra: str, *modules: str) -> None:
    """Raise `UserError`, with what to install, if a module cannot be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"the package {name} cannot be imported ({error}); "
                f"{install_hint(extra)} installs it"
            ) from error
