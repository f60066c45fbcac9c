"""Files written whole or not at all, local or gs://: `write_bytes`, `write_json`,
`read_json`, `write_arrays`."""

import contextlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from colorjax.errors import UserError


def write_bytes(path: epath.PathLike, data: bytes) -> None:
    """Write `data` beside `path`, then rename. Raises `UserError` naming the path."""
    path = epath.Path(path)
    part = path.parent / f".{path.name}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"{path}: cannot be written ({reason})") from error


def write_json(path: epath.PathLike, value: Any) -> None:
    """Write `value` as indented JSON, all of it or nothing."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: epath.PathLike) -> Any | None:
    """What a file of JSON holds, or None where there is no such file.

    Raises `UserError` where it is something else.
    """
    path = epath.Path(path)
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error


def write_arrays(path: epath.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as `numpy.load` reads them, all of them or nothing."""
    encoded = io.BytesIO()
    np.savez_compressed(encoded, **arrays)
    write_bytes(path, encoded.getvalue())
