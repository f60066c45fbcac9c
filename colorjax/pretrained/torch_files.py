"""Reads weights that others published, without their libraries: `read`.

PyTorch's three forms (the zip archive that `torch.save` writes, the stream that it
wrote before 1.6, TorchScript archives), `.safetensors` and Caffe's `.caffemodel`. A
PyTorch file is a pickle, which may call anything; here every name in it becomes an
inert record, except the few that build tensors, which are functions of this file. So no
code from a file runs.
"""

import functools
import hashlib
import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import safetensors
from etils import epath

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.pretrained.caffe import read_layers

Tensors = dict[str, np.ndarray]

STORAGES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
SAFETENSORS = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
MAGIC = 0x1950A86A20F9469CFC6C  # the first object of the old stream
OLD_PROTOCOL = 1001
BIG_ENDIAN = "it was written on a big-endian machine"
MOST_TENSORS = 100_000
MOST_STEPS = 2_000_000  # of a pickle; a few dozen make a tensor
MOST_TUPLES = 50_000  # of tuples nested deeper, Python's hash overflows the stack
COUNTERS = ".num_batches_tracked"  # of BatchNorm, which no evaluation reads


class Weights(NamedTuple):
    """The tensors of a file by their name, and the file's hash."""

    path: str
    tensors: Tensors
    sha256: str


def read(path: epath.PathLike) -> Weights:
    """Read a file of weights. Raises `UserError`, naming it, where that cannot be.

    Names are those of the state dict; of a file that holds a whole module, those that
    its state dict would have; of Caffe's blobs the layer's and their place in it.
    Counters of BatchNorm are dropped.
    """
    data = files.read_bytes(path)
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            found = dict(_state(_read_zip(data)))
        elif str(path).endswith(".safetensors"):
            found = dict(_read_safetensors(data))
        elif str(path).endswith(".caffemodel"):
            found = dict(_few(read_layers(data)))
        else:
            found = dict(_state(_read_stream(data)))
    except Exception as error:  # whatever a file that is none of these provokes
        raise UserError(
            f"{path}: not a readable file of weights ({reason(error)}); expected "
            "PyTorch's .pth or .pt, .safetensors or .caffemodel, whole"
        ) from error
    tensors = {key: x for key, x in found.items() if not key.endswith(COUNTERS)}
    if not tensors:
        raise UserError(f"{path}: has no tensors")
    return Weights(str(path), tensors, hashlib.sha256(data).hexdigest())


class Reader:
    """Hands out the tensors of a file, each once, and knows which are left."""

    def __init__(self, weights: Weights, net: str):
        """`net` is what the file ought to hold, for messages."""
        self.weights, self.net = weights, net
        self.left = dict(weights.tensors)

    def take(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor `key` as float32; `UserError` where it is not of `shape`, or not
        finite."""
        tensor = self.left.pop(key, None)
        if tensor is None or tensor.shape != shape:
            has = "is missing" if tensor is None else f"has shape {tensor.shape}"
            raise self.refusal(key, f"{has}, expected {shape}")
        tensor = tensor.astype(np.float32)
        if not np.isfinite(tensor).all():
            raise self.refusal(key, "holds NaN or infinity")
        return tensor

    def finish(self) -> None:
        """Raise `UserError`, naming one, where tensors are left."""
        if self.left:
            more = len(self.left) - 1
            raise self.refusal(
                next(iter(self.left)), f"belongs to no layer, nor do {more} others"
            )

    def refusal(self, key: str, what: str) -> UserError:
        """The error that says why the tensor `key` is not one of the net's."""
        return UserError(f"{self.weights.path}: not {self.net}: '{key}' {what}")


class _Record:
    """What stands for an object of a class that is not ours: its state, inert."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.state: Any = None

    def __setstate__(self, state: Any):
        self.state = state


class _Storage(NamedTuple):
    """A reference to the numbers of a tensor: where they are, of what type."""

    key: str
    dtype: type
    size: int


class _Unpickler(pickle.Unpickler):
    """Knows tensors; makes a `_Record` of all else. `tensor` gets the storages."""

    def __init__(self, file: io.BufferedIOBase, tensor):
        super().__init__(file, encoding="utf-8")
        self.tensor = tensor

    def find_class(self, module: str, name: str) -> Any:
        if name in STORAGES and module in ("torch", "torch.storage"):
            return name
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return self.tensor
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return lambda data, *rest: data
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return type(name, (_Record,), {})

    def persistent_load(self, reference: Any) -> _Storage:
        kind, storage, key, _, size, *_ = reference
        if kind != "storage" or storage not in STORAGES:
            raise pickle.UnpicklingError(f"unknown storage '{storage}'")
        return _Storage(str(key), STORAGES[storage], int(size))


def _load(file: io.BytesIO, tensor: Any) -> Any:
    """The next object of a stream of pickles, once it is known to fit into memory and
    on the stack."""
    start, tuples = file.tell(), 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        tuples += operation.name.startswith("TUPLE")
        if operation.name.endswith("PUT") and argument > count:  # the memo's length
            raise ValueError("a pickle's memo has gaps")
        if count > MOST_STEPS or tuples > MOST_TUPLES:
            raise ValueError("a pickle is longer than that of any net")
    file.seek(start)
    return _Unpickler(file, tensor).load()


def _tensor(
    values: np.ndarray, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> np.ndarray:
    """A view of a storage, once it is known to lie inside."""
    if min((offset, *shape, *stride), default=0) < 0 or len(shape) != len(stride):
        raise ValueError("a tensor has a negative size")
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if math.prod(shape) > len(values) or (math.prod(shape) and last >= len(values)):
        raise ValueError("a tensor is larger than its storage")
    steps = [s * values.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(
        values[offset:], shape, steps, writeable=False
    )


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if sum(entry.compress_size for entry in archive.infolist()) > len(data):
            raise ValueError("its entries overlap")

        @functools.cache  # tensors may share a storage
        def stored(name):
            entry = archive.getinfo(names[name])
            # PyTorch does not compress these; who does might mean to fill the memory.
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its entry {name} is compressed")
            return archive.read(entry)

        if "data.pkl" not in names:
            raise ValueError("the archive has no data.pkl")
        if "byteorder" in names and stored("byteorder") != b"little":
            raise ValueError(BIG_ENDIAN)

        def tensor(storage, offset, shape, stride, *rest):
            values = np.frombuffer(stored(f"data/{storage.key}"), storage.dtype)
            return _tensor(values, offset, shape, stride)

        return _load(io.BytesIO(stored("data.pkl")), tensor)


def _read_stream(data: bytes) -> Any:
    """Magic, protocol, machine, object, the storages' keys, then their numbers."""
    file = io.BytesIO(data)
    if _load(file, None) != MAGIC:
        raise ValueError("it is of another format")
    if _load(file, None) != OLD_PROTOCOL:
        raise ValueError("it is of another version of PyTorch's format")
    machine = _load(file, None)
    if not machine["little_endian"]:
        raise ValueError(BIG_ENDIAN)
    # The object names tensors before their numbers come: keep what is asked for.
    wanted: list[tuple[np.ndarray, Any]] = []

    left = len(data)  # numbers, each of a byte or more, if none is in four tensors

    def tensor(storage, offset, shape, stride, *rest):
        nonlocal left
        left -= math.prod(shape)
        if min(shape, default=0) < 0 or left < 0:
            raise ValueError("tensors are larger than the file")
        result = np.empty(shape, storage.dtype)
        wanted.append((result, (storage, offset, shape, stride)))
        return result

    result = _load(file, tensor)
    keys = _load(file, None)
    storages = {args[0].key: args[0] for _, args in wanted}
    values = {}
    for key in keys:
        (size,) = struct.unpack("<q", file.read(8))
        if str(key) not in storages:
            raise ValueError(f"storage '{key}' is in no tensor")
        dtype = np.dtype(storages[str(key)].dtype)
        values[str(key)] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
        if size < 0 or len(values[str(key)]) != size:
            raise ValueError("the file is truncated")
    for result_tensor, (storage, *place) in wanted:
        result_tensor[...] = _tensor(values[storage.key], *place)
    return result


def _read_safetensors(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Like `safetensors.numpy.load`, which has no bfloat16."""
    for key, entry in safetensors.deserialize(data):
        values = np.frombuffer(entry["data"], SAFETENSORS[entry["dtype"]])
        yield key, values.reshape(entry["shape"])


def _few(found: Iterator[Any]) -> Iterator[Any]:
    """All that is found, if that is no more than a net can have."""
    for count, item in enumerate(found):
        if count == MOST_TENSORS:
            raise ValueError(f"it has more than {MOST_TENSORS:,} parts")
        yield item


def _state(found: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors below an object, by the name that a state dict gives them."""
    # A few mappings, each twice in the next, have no end of names.
    return (item for item in _few(_named(found)) if item is not None)


def _named(found: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray] | None]:
    """The same, and None for all else that there is."""
    yield None
    if isinstance(found, np.ndarray):
        yield prefix.removesuffix("."), found
    elif isinstance(found, _Record) and isinstance(found.state, Mapping):
        parts = found.state
        if "_modules" in parts:  # a module of PyTorch's, pickled whole
            parts = {}
            for kind in ("_parameters", "_buffers", "_modules"):
                parts |= found.state.get(kind) or {}
        yield from _named(parts, prefix)
    elif isinstance(found, Mapping):
        if isinstance(found.get("state_dict"), Mapping):
            found = found["state_dict"]
        for key, value in found.items():
            yield from _named(value, f"{prefix}{key}.")
