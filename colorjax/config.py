"""Configs: reading them with their overrides, and checking them before anything runs.

A config is a Python file with `get_config()`; a section of it is the keyword arguments
of one function, whose signature holds the defaults. So a wrong key is known at the
start.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from colorjax.errors import UserError

KEYS = (
    "seed",
    "steps",
    "batch",
    "init_from",
    "data",
    "method",
    "optimizer",
    "checkpoint",
    "evaluation",
)
MAY_CHANGE = ("steps", "checkpoint", "evaluation")  # when a run is resumed


def parse_flags(argv: Sequence[str]) -> None:
    """Parse absl flags, a config file and its overrides among them."""
    try:
        rest = flags.FLAGS(list(argv))
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(_one_line(error)) from error
    except (ImportError, OSError, SyntaxError, NameError) as error:
        raise UserError(f"--config: {_one_line(error)}") from error
    if rest[1:]:
        raise UserError(f"unexpected argument '{rest[1]}'; flags start with --")


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """A config as plain values, the way `config.json` keeps it."""
    return json.loads(config.to_json_best_effort())


def check_keys(config: dict[str, Any]) -> None:
    """Raise `UserError` unless the top level has exactly the keys of every config."""
    for key in config:
        if key not in KEYS:
            raise UserError(f"config.{key}: no such key; there are {', '.join(KEYS)}")
    for key in KEYS:
        if key not in config:
            raise UserError(f"config.{key} is missing")


def check_section(
    name: str, function: Callable, section: dict[str, Any], given: Sequence[str] = ()
) -> dict[str, Any]:
    """The section, once every key is a keyword of `function` and no required one is
    missing.

    `given` are parameters that the caller passes itself.
    """
    parameters = inspect.signature(function).parameters
    known = [key for key in parameters if key not in given]
    for key in section:
        if key not in known:
            raise UserError(
                f"config.{name}.{key}: no such key; there are {', '.join(known)}"
            )
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in section:
            raise UserError(f"config.{name}.{key} is missing")
    return section


def check_same(old: dict[str, Any], new: dict[str, Any], workdir: Any) -> None:
    """Raise `UserError`, listing the differences, unless `new` may resume a run of
    `old`."""
    before, after = _flat(old), _flat(new)
    differences = [
        f"{key}: {before.get(key)} -> {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key.split(".")[0] not in MAY_CHANGE
    ]
    if differences:
        raise UserError(
            f"{workdir} holds a run of another config ({'; '.join(differences)}); "
            "choose another --workdir, or undo these changes"
        )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    return {
        key: value
        for name, branch in tree.items()
        for key, value in _flat(branch, f"{prefix}{name}.").items()
    }


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
