"""The command line of train.py and evaluate.py: `parse_flags` and
`define_process_flags`; and `parse_setting`, a value of a config that may change
whenever a run is used.
"""

import itertools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from colorjax.config import one_line
from colorjax.errors import UserError

PACKAGE = Path(__file__).parent
# Where train.py, evaluate.py and configs/ are: a wheel has them inside the package.
SCRIPTS = next(x for x in (PACKAGE / "scripts", PACKAGE.parent) if x.is_dir())


def parse_flags(argv: Sequence[str]) -> None:
    """Parse absl flags, which include a config file and its overrides.

    Raises `UserError` for a wrong flag or a config file that cannot be read.
    """
    app.define_help_flags()
    try:
        rest = flags.FLAGS(locate_config(expand_flags(argv)))
    except KeyError as error:
        raise UserError(f"--config: no such section {error}") from error
    except (flags.Error, AttributeError, TypeError, ValueError) as error:
        raise UserError(one_line(error)) from error
    except (ImportError, OSError, SyntaxError, NameError) as error:
        raise UserError(f"--config: {one_line(error)}") from error
    if rest[1:]:
        raise UserError(f"unexpected argument '{rest[1]}'; flags start with --")


def define_process_flags() -> Callable[[], list[Any]]:
    """Define the flags of a command that may be one of several processes.

    The result gives their values, once they are parsed, in the order of the arguments
    of `distributed.initialize`.
    """
    own = (
        flags.DEFINE_bool("distributed", False, "This is one process of several."),
        flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0."),
        flags.DEFINE_integer("processes", None, "How many, with --coordinator."),
        flags.DEFINE_integer("process", None, "Which one this is, from 0."),
    )
    return lambda: [flag.value for flag in own]


def expand_flags(argv: Sequence[str]) -> list[str]:
    """The arguments, with the home directory in place of `~` in `--FLAG=~/PATH`."""
    split = (argument.partition("=") for argument in argv)
    return [f"{flag}{mark}{os.path.expanduser(value)}" for flag, mark, value in split]


def locate_config(argv: Sequence[str]) -> list[str]:
    """The arguments, with the NAME in `--config=NAME` or `--config NAME` replaced by
    the path of the config of that name that comes with colorjax.

    NAME stays where it is the path of a file. Raises `UserError` where it is neither.
    """
    located = []
    for before, argument in itertools.pairwise(["", *argv]):
        flag, _, name = argument.rpartition("=")
        is_config = (flag or before) == "--config" and name.isidentifier()
        if is_config and not Path(name).exists():
            argument = f"{argument.removesuffix(name)}{_config_path(name)}"
        located.append(argument)
    return located


def _config_path(name: str) -> Path:
    folder = SCRIPTS / "configs"
    path = folder / f"{name}.py"
    if not path.exists():
        names = ", ".join(sorted(x.stem for x in folder.glob("[!_]*.py")))
        raise UserError(f"--config: '{name}' is no file, nor one of {names}")
    return path


def parse_setting(text: str) -> tuple[str, Any]:
    """The key and the value of an option of a method, such as method.steps=8.

    Raises `UserError` for a text of another form.
    """
    name, mark, value = text.partition("=")
    section, _, key = name.partition(".")
    if not (mark and section == "method" and key.isidentifier()):
        raise UserError(
            f"--set: '{text}' is not of the form method.KEY=VALUE, as in method.steps=8"
        )
    try:
        return key, json.loads(value)
    except ValueError:  # a word, which needs no quotation marks
        return key, value
