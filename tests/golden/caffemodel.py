"""Writes a `.caffemodel` as Caffe does: `encode`."""

from collections.abc import Mapping, Sequence

import numpy as np


def encode(layers: Mapping[str, Sequence[np.ndarray]], field: int = 100) -> bytes:
    """The file of a net of layers with these blobs; Caffe of 2014 used `field` 2."""
    net = [_bytes(1, b"LtoAB")]
    for name, blobs in layers.items():
        parts = [_bytes(1, name.encode()), _bytes(2, b"Convolution")]
        parts += [_bytes(3, b"data"), _bytes(4, name.encode())]
        parts += [_bytes(7, _blob(x)) for x in blobs]
        net.append(_bytes(field, b"".join([*parts, _integer(10, 1)])))
    return b"".join(net)


def _blob(x: np.ndarray) -> bytes:
    shape = _bytes(1, b"".join(_varint(n) for n in x.shape))
    numbers = (8, "<f8") if x.dtype == np.float64 else (5, "<f4")
    return _bytes(numbers[0], x.astype(numbers[1]).tobytes()) + _bytes(7, shape)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    groups = [value >> 7 * i & 0x7F for i in range(max(1, -(-value.bit_length() // 7)))]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
