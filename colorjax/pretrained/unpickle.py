"""Reads the pickles in PyTorch's files without running their code: `load`.

A pickle may call any function. Here every name in it becomes an inert `Record`, except
the few names that build tensors; these become functions of colorjax.
"""

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

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
MOST_STEPS = 2_000_000  # of a pickle; a tensor takes a few dozen
MOST_TUPLES = 50_000  # Python's hash of tuples nested deeper overflows the stack


class Record:
    """Stands for an object of an unknown class; holds its state and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.state: Any = None

    def __setstate__(self, state: Any):
        self.state = state


class Storage(NamedTuple):
    """A reference to the numbers of tensors: their key, type and count."""

    key: str
    dtype: type
    size: int


def load(file: io.BytesIO, make_tensor: Callable | None) -> Any:
    """The next object of a stream of pickles.

    `make_tensor(storage, offset, shape, stride, ...)` builds a tensor. Raises
    `ValueError` for a pickle that could exhaust the memory or the stack, and whatever
    `pickle` raises for a broken one.
    """
    start, tuples = file.tell(), 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        tuples += operation.name.startswith("TUPLE")
        # The memo is as long as its largest index.
        if operation.name.endswith("PUT") and int(argument or 0) > count:
            raise ValueError("a pickle's memo has gaps")
        if count > MOST_STEPS or tuples > MOST_TUPLES:
            raise ValueError("a pickle is longer than that of any net")
    file.seek(start)
    return _Unpickler(file, make_tensor).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, make_tensor: Callable | None):
        super().__init__(file, encoding="utf-8")
        self.make_tensor = make_tensor

    def find_class(self, module: str, name: str) -> Any:
        if name in STORAGES and module in ("torch", "torch.storage"):
            return name
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return self.make_tensor
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return lambda data, *rest: data
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return type(name, (Record,), {})

    def persistent_load(self, reference: Any) -> Storage:
        kind, storage, key, _, size, *_ = reference
        if kind != "storage" or storage not in STORAGES:
            raise pickle.UnpicklingError(f"unknown storage '{storage}'")
        return Storage(str(key), STORAGES[storage], int(size))


def view_tensor(
    values: np.ndarray, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> np.ndarray:
    """A tensor as a view of the numbers of its storage.

    Offset and strides count numbers. Raises `ValueError` where the tensor does not lie
    inside the storage.
    """
    if min((offset, *shape, *stride), default=0) < 0 or len(shape) != len(stride):
        raise ValueError("a tensor has a negative size")
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if math.prod(shape) > len(values) or (math.prod(shape) and last >= len(values)):
        raise ValueError("a tensor is larger than its storage")
    steps = [s * values.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(
        values[offset:], shape, steps, writeable=False
    )
