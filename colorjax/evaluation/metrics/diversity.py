"""How many colours are in use: `diversity`, which shows when all collapse to one."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.evaluation.engine import Metric
from colorjax.quantize import Q, nearest_bin


def diversity() -> Metric:
    """Of the mean over pictures of how often each bin is the colour of a pixel:
    `bins_used`, the exponential of its entropy, between 1 and 313, and
    `commonest_bin`, its largest share; and both of the originals (`..._original`)."""

    def shares(ab):
        bins = nearest_bin(ab).reshape(len(ab), -1)
        return jax.vmap(lambda b: jnp.bincount(b, length=Q))(bins) / bins.shape[1]

    def stats(prediction, examples):
        return {"": shares(prediction.ab), "_original": shares(examples["ab"])}

    def finalize(sums):
        figures = {}
        for whose, total in sums.items():
            share = total / total.sum()
            entropy = -(share * np.log(np.maximum(share, 1e-30))).sum()
            figures[f"bins_used{whose}"] = np.exp(entropy)
            figures[f"commonest_bin{whose}"] = share.max()
        return figures

    return Metric(stats, finalize)
