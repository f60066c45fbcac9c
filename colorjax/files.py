"""Reading, writing and listing files, on local disks and in buckets (gs://).

A file or directory that is written appears under its name only when it is complete.
Errors of the file system become a `UserError` that names the path.
"""

import contextlib
import hashlib
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


def expand(path: epath.PathLike) -> epath.Path:
    """The path with the home directory in place of a leading `~` or `~NAME`.

    A shell does this for `--out ~/x`, but not for `--out=~/x`.
    """
    return epath.Path(os.path.expanduser(path))


def part_name(name: str) -> str:
    """The name of the file or directory that gets the name `name` when complete.

    It depends on `name` alone, so that a later process removes what a killed one left.
    It is short, because `name` may be as long as the file system allows.
    """
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"


def write_bytes(path: epath.PathLike, data: bytes) -> None:
    """Write `data` beside `path`, then rename. Raises `UserError` on failure."""
    path = expand(path)
    part = path.parent / part_name(path.name)
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
    """A path beside the local `path`, for libraries that write files themselves.

    The file written there is renamed to `path` if the block succeeds, and is removed
    otherwise. An `OSError` becomes a `UserError`.
    """
    part = path.with_name(part_name(path.name))
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
    """Write `value` as indented JSON. Raises `UserError` on failure."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_bytes(path: epath.PathLike, most: int = 1 << 32) -> bytes:
    """The bytes of a file.

    Raises `UserError` if it cannot be read, or has more than `most` bytes.
    """
    path = expand(path)
    try:
        if (size := path.stat().length) > most:
            raise UserError(f"{path}: {size:,} bytes are more than the {most:,} read")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no file can have the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: {reason}") from error


def read_json(path: epath.PathLike) -> dict[str, Any] | None:
    """The object in a JSON file, or None if there is no such file.

    Raises `UserError` if the file cannot be read or holds anything else.
    """
    path = expand(path)
    if not path.exists():
        return None
    try:
        value = json.loads(read_bytes(path))
    except (RecursionError, ValueError) as error:  # too deeply nested; not JSON
        raise UserError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds a {type(value).__name__}, expected a mapping")
    return value


def write_arrays(path: epath.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays for `numpy.load`. Raises `UserError` on failure."""
    encoded = io.BytesIO()
    # pyright takes an array for the argument `allow_pickle`; no array has that name.
    np.savez_compressed(encoded, **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(path, encoded.getvalue())


def check_new(path: str | os.PathLike) -> None:
    """Raise `UserError` unless `path` is free or an empty directory."""
    out = Path(path)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{path}: exists and is not empty; give another --out")


@contextlib.contextmanager
def new_directory(path: str | os.PathLike) -> Iterator[Path]:
    """A new directory beside `path`, to be filled.

    It is renamed to `path` if the block succeeds, and is removed otherwise. An
    `OSError` becomes a `UserError`.
    """
    out = Path(path).absolute()
    part = out.parent / part_name(out.name)
    try:
        shutil.rmtree(part, ignore_errors=True)  # left by a killed process
        part.mkdir(parents=True)
        yield part
        part.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def files_below(root: epath.PathLike, suffixes: tuple[str, ...]) -> Iterator[str]:
    """The files below a folder with one of the suffixes, relative to it, in any order.

    Hidden files, pipes, devices, and links that lead out of the folder are left out.
    Links to folders are not followed, so that no file is listed twice. Raises
    `UserError` if a folder cannot be listed.
    """
    if "://" in str(root):
        return _stored_files(epath.Path(root), suffixes)
    return _local_files(os.fspath(root), suffixes)


def _local_files(root: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    top, folders = os.path.realpath(root), [""]
    while folders:  # a tree of folders may be deeper than Python recurses
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
    """Whether a link leads to a file below the folder `top`."""
    target = os.path.realpath(link)
    return os.path.commonpath((target, top)) == top and os.path.isfile(target)


def _stored_files(
    folder: epath.Path, suffixes: tuple[str, ...], prefix: str = ""
) -> Iterator[str]:
    """`files_below` for a bucket, which has no links and no pipes."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _stored_files(entry, suffixes, f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(suffixes):
            yield prefix + entry.name
