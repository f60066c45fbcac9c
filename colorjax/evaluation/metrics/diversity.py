"""How many colors the predictions use, which shows a collapse: `diversity`."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Family
from colorjax.quantize import Q, nearest_bin


def diversity() -> Metric:
    """`bins_used` and `commonest_bin`, and both of the originals (`..._original`).

    They describe the mean histogram, over images, of the bins nearest to the pixels'
    ab: the exponential of its entropy, between 1 and 313, and its largest share.
    """

    def shares(ab):
        bins = nearest_bin(ab).reshape(len(ab), -1)
        return jax.vmap(lambda b: jnp.bincount(b, length=Q))(bins) / bins.shape[1]

    def stats(prediction, examples):
        return {"": shares(prediction.ab), "_original": shares(examples["ab"])}

    def finalize(sums):
        values = {}
        for suffix, total in sums.items():
            share = total / total.sum()
            entropy = -(share * np.log(np.maximum(share, 1e-30))).sum()
            values[f"bins_used{suffix}"] = np.exp(entropy)
            values[f"commonest_bin{suffix}"] = share.max()
        return values

    return Metric(stats, finalize)


FAMILY = Family("diversity", lambda context: diversity())
