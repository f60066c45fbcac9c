"""Published weights: `read` reads a file of tensors, `Reader` hands them out, and
`Published` is a net made of them.

No code from a file runs (see `unpickle`).
"""

import hashlib
import io
import math
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import safetensors
from etils import epath

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.pretrained.caffe import read_layers
from colorjax.pretrained.torch_files import read_torch

Tensors = dict[str, np.ndarray]

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
MOST_PARTS = 100_000  # tensors and other objects that a file may have
COUNTERS = ".num_batches_tracked"  # of BatchNorm; evaluation does not need them


class Weights(NamedTuple):
    """The tensors of a file by name, and the SHA-256 of the file."""

    path: str
    tensors: Tensors
    sha256: str


def read(path: epath.PathLike) -> Weights:
    """Read PyTorch's .pth or .pt, .safetensors or .caffemodel.

    Tensors have the names of the state dict, also in a file that holds a whole module.
    A blob of Caffe has the name of its layer and its place there. BatchNorm's counters
    are left out. Raises `UserError` where the file is not readable.
    """
    data = files.read_bytes(path)
    try:
        tensors = dict(item for item in _bounded(_parts(path, data)) if item)
    except Exception as error:  # a broken file raises many types
        raise UserError(
            f"{path}: not a readable file of weights ({reason(error)}); expected "
            "PyTorch's .pth or .pt, .safetensors or .caffemodel, whole"
        ) from error
    tensors = {key: x for key, x in tensors.items() if not key.endswith(COUNTERS)}
    if not tensors:
        raise UserError(f"{path}: has no tensors")
    return Weights(str(path), tensors, hashlib.sha256(data).hexdigest())


def _parts(
    path: epath.PathLike, data: bytes
) -> Iterator[tuple[str, np.ndarray] | None]:
    """The tensors of a file, and None for each other object in it."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        if str(path).endswith(".safetensors"):
            return _read_safetensors(data)
        if str(path).endswith(".caffemodel"):
            return read_layers(data)
    return read_torch(data)


def _read_safetensors(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Like `safetensors.numpy.load`, which does not know bfloat16."""
    for key, entry in safetensors.deserialize(data):
        values = np.frombuffer(entry["data"], SAFETENSORS[entry["dtype"]])
        yield key, values.reshape(entry["shape"])


def _bounded(parts: Iterator[Any]) -> Iterator[Any]:
    """The same parts. Raises `ValueError` where they are more than `MOST_PARTS`."""
    for count, part in enumerate(parts):
        if count == MOST_PARTS:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")
        yield part


class Reader:
    """Hands out each tensor of a file once, and knows which ones are left."""

    def __init__(self, weights: Weights, net: str):
        """`net` is what messages call the net that the file should hold."""
        self.weights, self.net = weights, net
        self.left = dict(weights.tensors)

    def shape(self, key: str, dimensions: int | None = None) -> tuple[int, ...]:
        """The shape of the tensor `key`, of so many dimensions, or of one or more.

        Raises `UserError` where it is missing or has another number of dimensions.
        """
        if key not in self.left:
            raise self.refusal(key, "is missing")
        shape = self.left[key].shape
        if not math.prod(shape) or len(shape) != (dimensions or max(1, len(shape))):
            raise self.refusal(key, f"has shape {shape}")
        return shape

    def take(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor `key` as float32.

        Raises `UserError` where it is missing, not of `shape` or not finite.
        """
        tensor = self.left.pop(key, None)
        if tensor is None or tensor.shape != shape:
            has = "is missing" if tensor is None else f"has shape {tensor.shape}"
            raise self.refusal(key, f"{has}, expected {shape}")
        tensor = tensor.astype(np.float32)
        if not np.isfinite(tensor).all():
            raise self.refusal(key, "holds NaN or infinity")
        return tensor

    def kernel(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """The kernel `key` of a convolution, of `shape` [... inputs outputs].

        Files have it as [outputs inputs ...].
        """
        *sides, inputs, outputs = shape
        stored = self.weight(key, (outputs, inputs, *sides))
        return np.moveaxis(stored, (0, 1), (-1, -2))

    def weight(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """The weight `key` of a layer as it is applied, of `shape` [outputs ...].

        PyTorch stores a weight with spectral normalization (Miyato et al., ICLR 2018)
        as `key`_orig and two vectors, and one with weight normalization (Salimans and
        Kingma, NIPS 2016) as lengths `key`_g and directions `key`_v.
        """
        outputs, inputs = shape[0], math.prod(shape[1:])
        if f"{key}_orig" in self.left:
            weight = self.take(f"{key}_orig", shape)
            u, v = self.take(f"{key}_u", (outputs,)), self.take(f"{key}_v", (inputs,))
            largest = u.astype(np.float64) @ weight.reshape(outputs, inputs) @ v
            if not largest > 0:
                raise self.refusal(f"{key}_orig", "has no positive singular value")
            return weight / np.float32(largest)
        if f"{key}_g" in self.left:
            lengths = self.take(f"{key}_g", (outputs, *(1 for _ in shape[1:])))
            weight = self.take(f"{key}_v", shape)
            norms = np.linalg.norm(weight.reshape(outputs, inputs), axis=1)
            if not norms.all():
                raise self.refusal(f"{key}_v", "holds a direction of length 0")
            return weight * (lengths / norms.reshape(lengths.shape))
        return self.take(key, shape)

    def norm(self, key: str, size: int) -> tuple[Tensors, Tensors]:
        """The scale and bias of PyTorch's BatchNorm `key`, and its mean and var."""
        scale, bias, mean, var = (
            self.take(f"{key}.{part}", (size,))
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return {"scale": scale, "bias": bias}, {"mean": mean, "var": var}

    def conv(
        self, shape: tuple[int, ...], weight: str, bias: str, transposed: bool = False
    ) -> Tensors:
        """The kernel, of `shape` [h w inputs outputs], and the bias of a convolution.

        Files swap inputs and outputs in the kernel of a transposed one.
        """
        height, width, inputs, outputs = shape
        if transposed:
            kernel = self.kernel(weight, (height, width, outputs, inputs))
            kernel = kernel.swapaxes(2, 3)
        else:
            kernel = self.kernel(weight, shape)
        return {"kernel": kernel, "bias": self.take(bias, (outputs,))}

    def caffe_norm(self, key: str, size: int) -> Tensors:
        """The mean and var of Caffe's BatchNorm `key`, which are stored as sums."""
        mean, var = (self.take(f"{key}.{place}", (size,)) for place in (0, 1))
        total = self.take(f"{key}.2", (1,))  # of the weights of both sums
        if total <= 0:
            raise self.refusal(f"{key}.2", f"is {total[0]:g}, not positive")
        return {"mean": mean / total, "var": var / total}

    def finish(self) -> None:
        """Raise `UserError` where a tensor is left."""
        if self.left:
            more = len(self.left) - 1
            raise self.refusal(
                next(iter(self.left)), f"belongs to no layer, nor do {more} others"
            )

    def refusal(self, key: str, what: str) -> UserError:
        """The error that says why the tensor `key` does not belong to the net."""
        return UserError(f"{self.weights.path}: not {self.net}: '{key}' {what}")


class Published(NamedTuple):
    """A published net in colorjax's form, and how its authors use it.

    `variables` are those of the method's net. `method` is the `method` section of a
    config that decodes as the authors do. `side` is the side in pixels of the squares
    that they show the net. `conventions` has one line for each of them. `use` says what
    to do with the run, whose directory replaces {run}.
    """

    layout: str
    license: str
    variables: dict[str, Any]
    method: dict[str, Any]
    side: int
    conventions: dict[str, str]
    use: str = "use it: colorjax colorize PICTURE --run {run} --out colored.png"
