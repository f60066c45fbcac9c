"""Checksums of folders, `write_checksums` and `verify`, and of networks, `hash_nets`.

Those of a folder are its file `SHA256SUMS`, which `sha256sum -c SHA256SUMS` checks too.
"""

import hashlib

import jax
import numpy as np
from etils import epath

from colorjax.files import write_bytes
from colorjax.method import Nets

NAME = "SHA256SUMS"


def write_checksums(folder: epath.PathLike) -> None:
    """Seal a folder that will not change any more."""
    folder = epath.Path(folder)
    lines = [f"{_digest(folder / name)}  {name}\n" for name in _names(folder)]
    write_bytes(folder / NAME, "".join(lines).encode())


def verify(folder: epath.PathLike) -> str | None:
    """What of a folder is no longer as it was sealed, or None.

    A folder without a seal cannot be checked: a process was killed between finishing
    and sealing it.
    """
    folder = epath.Path(folder)
    seal = folder / NAME
    if not seal.exists():
        return None
    try:
        lines = seal.read_text().splitlines()
        sealed = dict(reversed(line.split("  ", 1)) for line in lines)
    except ValueError:
        return f"{NAME} is not readable"
    if not sealed:
        return f"{NAME} is empty"
    for name, digest in sealed.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} is not as it was written"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror or error})"
    return None


def _digest(path: epath.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: epath.Path, prefix: str = "") -> list[str]:
    names = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            names += _names(entry, f"{prefix}{entry.name}/")
        elif entry.name != NAME:
            names.append(prefix + entry.name)
    return names


def hash_nets(nets: Nets) -> tuple[str, int]:
    """SHA-256 of all variables with their names, and how many are parameters."""
    digest, parameters = hashlib.sha256(), 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(nets):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        digest.update(name.encode() + np.ascontiguousarray(leaf).tobytes())
        parameters += leaf.size if "/params/" in name else 0
    return digest.hexdigest(), parameters
