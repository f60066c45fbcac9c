"""Writing a file whole or not at all: `write_bytes`, `write_json`; local or gs://."""

import contextlib
import json
from typing import Any

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
