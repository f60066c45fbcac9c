"""Checksums of folders, `write_checksums` and `verify`, and of networks, `hash_nets`.

The checksums of a folder are in its file `SHA256SUMS`, which
`sha256sum -c SHA256SUMS` verifies too.
"""

import hashlib

import jax
import numpy as np
from etils import epath

from colorjax.files import write_bytes
from colorjax.method import Nets

NAME = "SHA256SUMS"


def write_checksums(folder: epath.PathLike) -> None:
    """Write the checksums of all files of a finished folder into it."""
    folder = epath.Path(folder)
    lines = [f"{_digest(folder / name)}  {name}\n" for name in _names(folder)]
    write_bytes(folder / NAME, "".join(lines).encode())


def verify(folder: epath.PathLike) -> str | None:
    """The first difference between a folder and its checksums; None if they agree.

    A folder without checksums passes: its process was killed before it wrote them.
    """
    folder = epath.Path(folder)
    checksums = folder / NAME
    if not checksums.exists():
        return None
    try:
        pairs = [line.split("  ", 1) for line in checksums.read_text().splitlines()]
        digests = {name: digest for digest, name in pairs}
    except ValueError:
        return f"{NAME} is not readable"
    if not digests:
        return f"{NAME} is empty"
    for name, digest in digests.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} is not as it was written"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror or error})"
    return None


def _digest(path: epath.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _names(folder: epath.Path, prefix: str = "") -> list[str]:
    names = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            names += _names(entry, f"{prefix}{entry.name}/")
        elif entry.name != NAME:
            names.append(prefix + entry.name)
    return names


def hash_nets(nets: Nets) -> tuple[str, int]:
    """SHA-256 of all variables with their names, and the number of parameters."""
    digest, parameters = hashlib.sha256(), 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(nets):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        digest.update(name.encode() + np.ascontiguousarray(leaf).tobytes())
        parameters += leaf.size if "/params/" in name else 0
    return digest.hexdigest(), parameters
