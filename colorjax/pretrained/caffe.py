"""Reads the layers of a `.caffemodel` without Caffe: `read_layers`.

The file is one message of protocol buffers, a NetParameter. Only these fields matter:
the layers of a net; the name and the blobs of a layer; the shape and the numbers of a
blob. The arrays are views of the file's bytes, so they take no memory of their own.

Source: the encoding at protobuf.dev; the fields' numbers in Caffe's `caffe.proto`.
"""

from collections.abc import Iterator

import numpy as np

OLD_LAYERS, LAYERS = 2, 100  # fields of a net: before 2015, since then
NAME, BLOBS = 1, 7  # of a layer; files have them in this order
SHAPE = 7  # of a blob
NUMBERS = {5: "<f4", 8: "<f8"}  # of a blob
DIMENSIONS = 1  # of a shape
MOST_DIMENSIONS = 8  # that a blob may have
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # encodings of a field

Field = tuple[int, int | memoryview]  # its number, and its value or bytes


def read_layers(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """All blobs, named by their layer and their place there: "conv1_1.0", "conv1_1.1".

    Raises `ValueError` where `data` is not a whole file of this kind.
    """
    for number, layer in _fields(memoryview(data)):
        if number == OLD_LAYERS:
            raise ValueError(
                "it has the layers of Caffe before 2015; update it with Caffe's "
                "upgrade_net_proto_binary"
            )
        if number == LAYERS:
            name, place = "", 0
            for key, value in _fields(layer):
                if key == NAME:
                    name = str(_bytes(value), "utf-8")
                elif key == BLOBS:
                    yield f"{name}.{place}", _blob(value)
                    place += 1


def _blob(data: int | memoryview) -> np.ndarray:
    shape = values = None
    for number, value in _fields(data):
        if number == SHAPE:
            shape = _dimensions(value)
        elif number in NUMBERS:
            if values is not None:  # Caffe writes them packed
                raise ValueError("the numbers of a blob are in pieces")
            values = np.frombuffer(_bytes(value), NUMBERS[number])
    if shape is None or values is None:
        raise ValueError("a blob has no shape or no numbers")
    return values.reshape(shape)


def _dimensions(data: int | memoryview) -> tuple[int, ...]:
    shape: list[int] = []
    for number, value in _fields(data):
        if number != DIMENSIONS:
            continue
        if isinstance(value, int):
            shape.append(value)
        else:  # packed
            at = 0
            while at < len(value):
                size, at = _varint(value, at)
                shape.append(size)
                if len(shape) > MOST_DIMENSIONS:
                    raise ValueError("a blob has too many dimensions")
    return tuple(shape)


def _fields(data: int | memoryview) -> Iterator[Field]:
    """The fields of a message, in their order."""
    data = _bytes(data)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            if kind == LENGTH:
                size, at = _varint(data, at)
            elif kind in (EIGHT_BYTES, FOUR_BYTES):
                size = 8 if kind == EIGHT_BYTES else 4
            else:
                raise ValueError("it is of another format")
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError("the file is truncated")
        yield tag >> 3, value


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")
    return value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer with seven bits per byte, lowest first, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(data):
            raise ValueError("the file is truncated")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is of another format")
