"""Configs: `check_keys`, `check_section` and `check_same` check one before anything
runs.

A config is a Python file with `get_config()`. A section of it holds keyword arguments
of one function. The signature of this function has the defaults and the types, so a
wrong key or value is reported at the start.
"""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ml_collections import ConfigDict

from colorjax.errors import UserError

KEYS = {
    "seed": int,
    "steps": int,
    "batch": int,
    "init_from": str,
    "data": dict,
    "method": dict,
    "optimizer": dict,
    "step": dict,
    "checkpoint": dict,
    "evaluation": dict,
    "inference": dict,
}
POSITIVE = 1e-12  # the least value of a number that must not be 0
BELOW_1 = 1 - 1e-6
RANGES: dict[str, tuple[float, float]] = {  # the least and the largest value of a key
    "seed": (0, math.inf),
    "steps": (0, math.inf),
    "batch": (1, math.inf),
    "data.resize": (8, 8192),
    "data.crop": (8, 8192),
    "data.zoom": (1, 100),
    "data.workers": (0, 1024),
    "data.max_unreadable": (0, 1),
    "data.max_unmatched": (0, math.inf),
    "data.cache_limit": (0, 1e6),
    "method.width": (POSITIVE, 64),
    "method.mix": (POSITIVE, 1),
    "method.neighbors": (1, 313),
    "method.sigma": (POSITIVE, math.inf),
    "method.temperature": (POSITIVE, math.inf),
    "method.jitter": (0, 100),
    "method.dropout": (0, BELOW_1),
    "method.frozen": (0, 100),
    "method.depth": (2, 100),
    "method.blocks": (1, 1000),
    "method.patch_layers": (1, 100),
    "method.cycle": (0, math.inf),
    "method.identity": (0, math.inf),
    "method.pool": (1, math.inf),
    "method.l1": (0, math.inf),
    "method.r1": (0, math.inf),
    "method.ema": (0, BELOW_1),
    "method.queries": (1, 10_000),
    "method.layers": (0, 1000),
    "method.critic_blocks": (1, 100),
    "method.perceptual": (0, math.inf),
    "method.gan": (0, math.inf),
    "method.colorfulness": (0, math.inf),
    "method.enhance": (0, 100),
    "method.net_options.blocks": (1, 1000),
    "method.net_options.dropout": (0, BELOW_1),
    "method.net_options.depth": (1, 1000),
    "method.net_options.patch": (1, 64),
    "method.features": (1, 4096),
    "method.encoder_width": (POSITIVE, 64),
    "method.steps": (1, 100_000),
    "method.hint_count": (0, 1000),
    "method.hint_side": (1, 1024),
    "method.mask_center": (0, 1),
    "method.unit": (POSITIVE, 1000),
    "method.turned": (0, 1),
    "method.pairs": (1, 8),
    "method.local": (0, 1),
    "method.globe": (0, 1),
    "method.text": (0, 1),
    "method.guidance": (0, 100),
    "optimizer.learning_rate": (0, 2e9),
    "optimizer.warmup": (0, math.inf),
    "optimizer.hold": (0, math.inf),
    "optimizer.b1": (0, BELOW_1),
    "optimizer.b2": (0, 1 - 1e-9),
    "optimizer.weight_decay": (0, 1000),
    "optimizer.clip": (POSITIVE, math.inf),
    "step.accumulate": (1, math.inf),
    "step.patience": (1, math.inf),
    "checkpoint.every": (1, math.inf),
    "checkpoint.keep": (1, math.inf),
    "evaluation.every": (0, math.inf),
    "evaluation.batch": (1, math.inf),
    "evaluation.replicates": (1, 100_000),
    "evaluation.grids": (0, math.inf),
    "evaluation.limit": (1, math.inf),
}
LIMIT = 1 << 31  # all numbers of a config are smaller, because JAX counts in 32 bits
MAY_CHANGE = (  # keys that may differ when a run is resumed
    "steps",
    "step.patience",
    "step.profile",
    "step.shard",
    "checkpoint",
    "evaluation",
    "inference",
    "data.workers",
    "data.max_",  # unreadable and unmatched
    "data.data_dir",
    "data.cache",  # and cache_limit
)


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """A config as plain values, as `config.json` stores it."""
    try:
        return json.loads(ConfigDict(dict(config.items())).to_json_best_effort())
    except OSError as error:  # absl reads the file on first use
        raise UserError(f"--config: {one_line(error)}") from error


def check_keys(config: dict[str, Any], optional: Sequence[str] = ()) -> None:
    """Raise `UserError` unless the top level has all `KEYS` and no others.

    `inference` and `optional` keys may be missing. Each value has its type and range.
    """
    for key in config:
        if key not in KEYS:
            raise UserError(f"config.{key}: no such key; there are {', '.join(KEYS)}")
    for key in KEYS:
        if key in config:
            check_type(f"config.{key}", config[key], KEYS[key])
        elif key not in ("inference", *optional):
            raise UserError(f"config.{key} is missing")


def check_type(key: str, value: Any, annotation: Any) -> None:
    """Raise `UserError` unless `value`, a JSON value, has the annotated type and lies
    in the range that `RANGES` has for the key."""
    if not _has_type(value, annotation):
        name = annotation.__name__ if inspect.isclass(annotation) else annotation
        raise UserError(f"{key} is {value!r:.200}, which is not of type {name}")
    if isinstance(value, int | float) and not abs(value) < LIMIT:  # true for NaN
        raise UserError(f"{key} is {value!r:.200}, which is not below {LIMIT:,}")
    least, most = RANGES.get(key.removeprefix("config."), (-math.inf, math.inf))
    if isinstance(value, int | float) and not least <= value <= most:
        limit = f"at least {least:g}" if value < least else f"at most {most:g}"
        raise UserError(f"{key} is {value}; it must be {limit}")


def _has_type(value: Any, annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_has_type(value, option) for option in get_args(annotation))
    if origin is Literal:
        return value in get_args(annotation)
    if isinstance(value, bool) and annotation in (int, float):
        return False
    accepted = {float: (float, int), tuple: (tuple, list)}
    annotation = origin or annotation
    return annotation is Any or isinstance(value, accepted.get(annotation, annotation))


def check_section(
    name: str, function: Callable, section: dict[str, Any], reserved: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the section of a config if it holds valid arguments of `function`.

    Raises `UserError` if a key is not a parameter of `function`, a value does not have
    the annotated type, or a required parameter is missing. The caller passes the
    `reserved` parameters itself; the section must not have them.
    """
    parameters = inspect.signature(function).parameters
    is_class = inspect.isclass(function)
    hints = get_type_hints(function.__init__ if is_class else function)
    known = [key for key in parameters if key not in reserved]
    for key in section:
        if key not in known:
            raise UserError(
                f"config.{name}.{key}: no such key; there are {', '.join(known)}"
            )
        check_type(f"config.{name}.{key}", section[key], hints.get(key, Any))
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in section:
            raise UserError(f"config.{name}.{key} is missing")
    return section


def check_same(old: dict[str, Any], new: dict[str, Any], workdir: Any) -> None:
    """Raise `UserError`, which lists the differences, unless `new` may resume a run
    that `old` began."""
    before, after = _flat(old), _flat(new)
    differences = [
        f"{key}: {before.get(key)} -> {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not key.startswith(MAY_CHANGE)
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


def one_line(error: Exception) -> str:
    """The message of an error, without line breaks."""
    return " ".join(str(error).split())
