"""How frequent the bins are in a data set: `estimate_prior`, of `mean_code`s."""

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from colorjax.errors import UserError
from colorjax.evaluation import masked_sums
from colorjax.quantize import Q, soft_encode


def estimate_prior(batches, mesh: Mesh) -> Float[np.ndarray, "313"]:
    """Mean soft code (5 neighbours, sigma 5) of every fourth pixel; sums to 1.

    The soft code itself smooths it, as in the released code; the paper smooths a
    histogram with a Gaussian of the same sigma. One pass over `batches`.
    """

    code = masked_sums(lambda examples: mean_code(examples["ab"]), batches, mesh)
    if code.sum() == 0:
        raise UserError("data: not one picture of the training split can be read")
    return (code / code.sum()).astype(np.float32)


def mean_code(ab: Float[Array, "b h w 2"]) -> Float[Array, "b 313"]:
    """Of each picture the mean soft code of every fourth pixel; sums to 1."""
    indices, weights = soft_encode(ab[:, ::4, ::4])

    def mean(i, w):
        return jax.ops.segment_sum(w.ravel(), i.ravel(), Q) / w[..., 0].size

    return jax.vmap(mean)(indices, weights)
