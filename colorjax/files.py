"""Files written whole or not at all, local or gs://: `write_bytes`, `write_json`,
`write_arrays`, `beside`; and read with their errors told: `read_bytes`, `read_json`;
directories too, local ones: `check_new`, `new_directory`; and what is below a folder,
and stays below it: `files_below`."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
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


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Where to write a local file that is renamed to `path` when all went well, for
    libraries that write files themselves. Raises `UserError` where it cannot be
    written."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_json(path: epath.PathLike, value: Any) -> None:
    """Write `value` as indented JSON, all of it or nothing."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_bytes(path: epath.PathLike, most: int = 1 << 32) -> bytes:
    """The bytes of a file. Raises `UserError`, naming it, where there is none, or one
    of more than `most` bytes."""
    path = epath.Path(path)
    try:
        if (size := path.stat().length) > most:
            raise UserError(f"{path}: {size:,} bytes are more than the {most:,} read")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError of names that none can have
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: {reason}") from error


def read_json(path: epath.PathLike) -> Any | None:
    """What a file of JSON holds, or None where there is no such file.

    Raises `UserError` where it is something else.
    """
    path = epath.Path(path)
    if not path.exists():
        return None
    try:
        return json.loads(read_bytes(path))
    except (RecursionError, ValueError) as error:  # nested without end; any other
        raise UserError(f"{path}: not JSON ({error})") from error


def write_arrays(path: epath.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as `numpy.load` reads them, all of them or nothing."""
    encoded = io.BytesIO()
    np.savez_compressed(encoded, **arrays)
    write_bytes(path, encoded.getvalue())


def check_new(path: str | os.PathLike) -> None:
    """Raise `UserError` where `path` is something other than an empty directory."""
    out = Path(path)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{path}: exists, and holds something; give another --out")


@contextlib.contextmanager
def new_directory(path: str | os.PathLike) -> Iterator[Path]:
    """A directory beside `path` to be filled, then renamed to it; removed after an
    error. An `OSError` becomes a `UserError` naming the path."""
    out = Path(path).absolute()
    part = out.parent / f".{out.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a start that was killed
        part.mkdir(parents=True)
        yield part
        part.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def files_below(root: epath.PathLike, suffixes: tuple[str, ...]) -> Iterator[str]:
    """The paths, below a folder, of the files in it with a suffix, in no order.

    None that is hidden, no pipe or device, none behind a link that leads out of the
    folder; links to folders are not followed at all, so that none is seen twice.
    """
    if "://" in str(root):
        return _stored_files(epath.Path(root), suffixes)
    return _local_files(os.fspath(root), suffixes)


def _local_files(root: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    top, folders = os.path.realpath(root), [""]
    while folders:  # a recursion might end before a tree of folders does
        prefix = folders.pop()
        try:
            entries = list(os.scandir(os.path.join(root, prefix)))
        except OSError as error:
            raise UserError(f"{root}/{prefix}: {error.strerror}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{prefix}{entry.name}/")
            elif entry.name.lower().endswith(suffixes) and (
                entry.is_file(follow_symlinks=False)
                or (entry.is_symlink() and _leads_inside(entry.path, top))
            ):
                yield prefix + entry.name


def _leads_inside(link: str, top: str) -> bool:
    """Whether a link leads to a file below a folder, and not in circles."""
    target = os.path.realpath(link)
    return os.path.commonpath((target, top)) == top and os.path.isfile(target)


def _stored_files(
    folder: epath.Path, suffixes: tuple[str, ...], prefix: str = ""
) -> Iterator[str]:
    """The same of an object store, which knows no links and no pipes."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _stored_files(entry, suffixes, f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(suffixes):
            yield prefix + entry.name
