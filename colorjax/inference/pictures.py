"""What a program may pass as a picture or as several: `Source`, `read_picture`,
`sequence`."""

import os
import re
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from colorjax import images
from colorjax.errors import UserError
from colorjax.images import Picture

ADDRESS = re.compile(r"(https?|ftps?|file|data|blob):", re.IGNORECASE)
ACCEPTED = (
    "a picture is the name of a file, the bytes of one, an open binary file, an image "
    "of Pillow, or an array of uint8 or uint16"
)


@runtime_checkable
class BinaryFile(Protocol):
    """An open file; only `read` is used here."""

    def read(self) -> bytes: ...


@runtime_checkable
class SupportsArray(Protocol):
    """An array of any library, such as NumPy, JAX or PyTorch."""

    def __array__(self) -> np.ndarray: ...


@runtime_checkable
class SupportsArrayInterface(Protocol):
    """An image of Pillow, or an array that shares its memory."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Source = str | os.PathLike | bytes | BinaryFile | SupportsArray | SupportsArrayInterface


def read_picture(source: object) -> Picture:
    """The pixels of a picture, a `Source`.

    Raises `UserError` if a file cannot be read or an address is given, and `TypeError`
    for an array of another type or shape and for all other values.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        if ADDRESS.match(name):
            raise UserError(
                f"{name[:200]}: {ACCEPTED}, not an address; download it first"
            )
        return images.read_full(images.load_bytes(source), name)
    if isinstance(source, bytes):
        return images.read_full(source)
    if images.is_pillow(source):
        return images.from_pillow(source)
    if isinstance(source, SupportsArray | SupportsArrayInterface):
        return as_picture(np.asarray(source))
    if isinstance(source, BinaryFile) and isinstance(data := source.read(), bytes):
        return images.read_full(data, str(getattr(source, "name", "picture")))
    raise TypeError(f"{ACCEPTED}, not {type(source).__name__}")


def sequence(pictures: Any) -> list[Any]:
    """The pictures of a sequence or an iterator; raises `TypeError` for other
    values."""
    if not isinstance(pictures, Iterable):
        raise TypeError(f"{ACCEPTED}, or a sequence of them, not {pictures!r:.100}")
    return list(pictures)


def as_picture(array: np.ndarray) -> Picture:
    """The array as a picture of three or four channels; grey [h, w] is repeated.

    Raises `TypeError` if it is not uint8 or uint16, is empty, or has another shape.
    """
    valid = array.dtype in (np.uint8, np.uint16) and array.size
    if not valid or array.shape[2:] not in ((), (3,), (4,)) or array.ndim < 2:
        floats = np.issubdtype(array.dtype, np.floating)
        hint = "; multiply floats in [0, 1] by 255 and round them" if floats else ""
        raise TypeError(
            "a picture is uint8 or uint16 [h, w], [h, w, 3] or, with alpha, [h, w, 4], "
            f"not {array.dtype} of shape {array.shape}{hint}"
        )
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
