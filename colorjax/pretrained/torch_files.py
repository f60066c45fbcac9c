"""Reads the tensors of PyTorch's files without PyTorch: `read_torch`.

There are three containers: the zip archive that `torch.save` writes, the stream that it
wrote before version 1.6, and TorchScript archives.
"""

import functools
import io
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from colorjax.pretrained.unpickle import Record, load, view_tensor

MAGIC = 0x1950A86A20F9469CFC6C  # the first object of the old stream
OLD_PROTOCOL = 1001
BIG_ENDIAN = "it was written on a big-endian machine"


def read_torch(data: bytes) -> Iterator[tuple[str, np.ndarray] | None]:
    """The tensors in a file, by the names that a state dict gives them.

    It yields None for each other object, so that the caller can count them and stop: if
    each mapping holds the one before twice, a small file has any number of names.
    Raises whatever a broken file provokes.
    """
    archive = zipfile.is_zipfile(io.BytesIO(data))
    return _named(_read_zip(data) if archive else _read_stream(data))


def _named(node: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray] | None]:
    yield None
    if isinstance(node, np.ndarray):
        yield prefix.removesuffix("."), node
    elif isinstance(node, Record) and isinstance(node.state, Mapping):
        children = node.state
        if "_modules" in children:  # a whole module of PyTorch
            children = {}
            for kind in ("_parameters", "_buffers", "_modules"):
                children |= node.state.get(kind) or {}
        yield from _named(children, prefix)
    elif isinstance(node, Mapping):
        if isinstance(node.get("state_dict"), Mapping):
            node = node["state_dict"]
        for key, value in node.items():
            yield from _named(value, f"{prefix}{key}.")


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if sum(entry.compress_size for entry in archive.infolist()) > len(data):
            raise ValueError("its entries overlap")

        @functools.cache  # tensors may share a storage
        def stored(name):
            entry = archive.getinfo(names[name])
            # PyTorch does not compress entries. A compressed one may fill the memory.
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its entry {name} is compressed")
            return archive.read(entry)

        if "data.pkl" not in names:
            raise ValueError("the archive has no data.pkl")
        if "byteorder" in names and stored("byteorder") != b"little":
            raise ValueError(BIG_ENDIAN)

        def tensor(storage, offset, shape, stride, *rest):
            values = np.frombuffer(stored(f"data/{storage.key}"), storage.dtype)
            return view_tensor(values, offset, shape, stride)

        return load(io.BytesIO(stored("data.pkl")), tensor)


def _read_stream(data: bytes) -> Any:
    """The stream has the magic number, the protocol, facts about the machine, the
    object, the keys of the storages and then their numbers."""
    file = io.BytesIO(data)
    if load(file, None) != MAGIC:
        raise ValueError("it is of another format")
    if load(file, None) != OLD_PROTOCOL:
        raise ValueError("it is of another version of PyTorch's format")
    machine = load(file, None)
    if not machine["little_endian"]:
        raise ValueError(BIG_ENDIAN)
    # The tensors come before the numbers of their storages, so they are filled later.
    unfilled: list[tuple[np.ndarray, Any]] = []
    # Each number takes a byte or more of the file, so tensors have no more numbers.
    room = len(data)

    def tensor(storage, offset, shape, stride, *rest):
        nonlocal room
        room -= math.prod(shape)
        if min(shape, default=0) < 0 or room < 0:
            raise ValueError("tensors are larger than the file")
        empty = np.empty(shape, storage.dtype)
        unfilled.append((empty, (storage, offset, shape, stride)))
        return empty

    result = load(file, tensor)
    keys = load(file, None)
    storages = {place[0].key: place[0] for _, place in unfilled}
    values = {}
    for key in keys:
        (size,) = struct.unpack("<q", file.read(8))
        if str(key) not in storages:
            raise ValueError(f"storage '{key}' is in no tensor")
        dtype = np.dtype(storages[str(key)].dtype)
        values[str(key)] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
        if size < 0 or len(values[str(key)]) != size:
            raise ValueError("the file is truncated")
    for empty, (storage, *place) in unfilled:
        empty[...] = view_tensor(values[storage.key], *place)
    return result
