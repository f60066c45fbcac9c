"""Reduced images of large files, in a folder that runs share: `ImageCache`."""

import contextlib
import hashlib
import os
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from colorjax.data import workers
from colorjax.progress import report

HEADER = struct.Struct("<4sIII")  # magic, height, width, checksum of the samples
MAGIC = b"CJI1"
ENTRY = re.compile(r"[0-9a-f]{62}(\..+)?")  # its name; a temporary one has an end
UNUSED = 24 * 3600  # seconds after which an entry may be removed
PROCESSES = 64  # so many may write at once without exceeding the limit
Pixels = UInt8[np.ndarray, "h w 3"]


class ImageCache:
    """Images by key, one file each, in a folder.

    Processes and runs may share the folder, and anyone may delete it at any time. An
    entry appears when it is complete. A damaged entry counts as missing. All entries
    take at most `most` bytes. Where there is no room, those that were unused for a day
    are removed; if that is not enough, or if the folder cannot be written, nothing more
    is stored, and a line says so.
    """

    def __init__(self, folder: Path, most: int):
        self.folder, self.most = folder, most
        self._allowance = 0.0  # bytes that this process may write before it counts
        self._stopped = most <= 0

    def __str__(self) -> str:
        return (
            f"data.cache {self.folder} keeps large images reduced: "
            f"{self.size() / 1e9:.1f} GB, at most {self.most / 1e9:g} GB"
        )

    def get(self, key: str) -> Pixels | None:
        """The image of a key; None where it is not stored, or damaged."""
        return _read(self._path(key))

    def put(self, key: str, pixels: Pixels) -> None:
        """Store the image of a key, if there is room."""
        if self._stopped:
            return
        height, width, _ = pixels.shape
        samples = np.ascontiguousarray(pixels).data
        header = HEADER.pack(MAGIC, height, width, zlib.crc32(samples))
        try:
            if self._reserve(len(header) + samples.nbytes):
                _write(self._path(key), header, samples)
        except OSError as error:
            self._stop(f"cannot be written ({error.strerror or error})")

    def size(self) -> int:
        """The bytes that all entries take."""
        return sum(stat.st_size for _, stat in self._entries())

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(os.fsencode(key)).hexdigest()
        return self.folder / name[:2] / name[2:]

    def _reserve(self, size: int) -> bool:
        """Whether an entry of `size` bytes fits.

        Each of `PROCESSES` may write its share of what is free, then counts again.
        """
        if size > self._allowance:
            free = self.most - self.size()
            if free < size * PROCESSES:
                free += self._remove_unused()
            self._allowance = free / PROCESSES
            if size > self._allowance:
                self._stop(f"has no room (data.cache_limit {self.most / 1e9:g} GB)")
                return False
        self._allowance -= size
        return True

    def _remove_unused(self) -> int:
        """Remove the entries that were unused for a day; returns their bytes."""
        removed, latest = 0, time.time() - UNUSED
        for path, stat in self._entries():
            if stat.st_mtime < latest:
                with contextlib.suppress(OSError):  # another process was faster
                    os.unlink(path)
                    removed += stat.st_size
        return removed

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        """The entries, temporary ones included, with their stats; no other files, even
        if a user names a folder that has some."""
        for path in self.folder.glob("??/*"):
            if ENTRY.fullmatch(path.name):
                with contextlib.suppress(OSError):  # another process removed it
                    yield path, path.stat()

    def _stop(self, reason: str) -> None:
        """Store nothing more. One of the processes that make examples reports why."""
        first, self._stopped = not self._stopped, True
        if first and workers.number == 0:
            report(
                f"data.cache {self.folder}: {reason}; training goes on and decodes the "
                "images that are not in it each time"
            )


def _write(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file that appears when it is complete. Raises `OSError`.

    Two processes may write the same file, so each has a temporary one of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.writelines(parts)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _read(path: Path) -> Pixels | None:
    """The image of an entry; None where the entry is missing or damaged."""
    try:
        with open(path, "rb") as file:
            changed = os.fstat(file.fileno()).st_mtime
            data = file.read()
        if time.time() - changed > UNUSED / 24:
            os.utime(path)
        magic, height, width, checksum = HEADER.unpack_from(data)
    except (OSError, struct.error):
        return None
    samples = memoryview(data)[HEADER.size :]
    if magic != MAGIC or len(samples) != 3 * height * width:
        return None
    if zlib.crc32(samples) != checksum:
        return None
    return np.frombuffer(samples, np.uint8).reshape(height, width, 3)
