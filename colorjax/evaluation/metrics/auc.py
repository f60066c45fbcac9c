"""The paper's AuC of ab distance, and two that count rare colours: `accuracy_curve`.

Source: Zhang, Isola, Efros, ECCV 2016, section 3.1. The curve is the share of pixels
whose predicted ab lies within a threshold of the true one; the threshold is swept over
[0, 150]. The area under it is exactly 1 - E[min(distance, 150)] / 150.
"""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.evaluation.engine import Metric
from colorjax.method import Examples, Prediction
from colorjax.quantize import Q, nearest_bin

THRESHOLD = 150.0  # ab units
RARE = 1e-7  # bins with no larger prior are left out of the rebalanced figure
FEW = 100  # bins with fewer pixels are left out of the balanced figure


def accuracy(prediction: Prediction, examples: Examples) -> Float[Array, "b h w"]:
    """Of every pixel, its share of the area: 1 - min(d, 150) / 150 in ab distance d."""
    error = jnp.linalg.norm(prediction.ab - examples["ab"], axis=-1)
    return 1 - jnp.minimum(error, THRESHOLD) / THRESHOLD


def accuracy_curve(prior: Float[np.ndarray, "313"]) -> Metric:
    """AuC figures, in [0, 1], over every pixel at the resolution of the picture.

    A pixel's class is the bin nearest to its true ab.
    - `auc`: plain mean over pixels;
    - `auc_rebalanced`: mean weighted by 1 / prior of the class;
    - `auc_balanced`: mean over classes of at least 100 pixels of their means;
    - `auc_left_out`: share of pixels that the rebalanced figure leaves out.
    """

    def stats(prediction, examples):
        score = accuracy(prediction, examples)
        group = nearest_bin(examples["ab"])

        def by_class(values, classes):
            return jax.ops.segment_sum(values.ravel(), classes.ravel(), Q)

        return {
            "score": jax.vmap(by_class)(score, group),
            "pixels": jax.vmap(by_class)(jnp.ones_like(score), group),
        }

    def finalize(sums):
        score, pixels = sums["score"], sums["pixels"]
        weight = np.where(prior > RARE, 1 / np.maximum(prior, RARE), 0)
        frequent = pixels >= FEW
        classes = score[frequent] / pixels[frequent]
        return {
            "auc": score.sum() / pixels.sum(),
            "auc_rebalanced": (weight * score).sum() / (weight * pixels).sum(),
            "auc_balanced": classes.mean() if len(classes) else np.nan,
            "auc_left_out": pixels[weight == 0].sum() / pixels.sum(),
        }

    settings = {
        "threshold": THRESHOLD,
        "rare": RARE,
        "few": FEW,
        "prior": hashlib.sha256(np.float32(prior).tobytes()).hexdigest(),
    }
    return Metric(stats, finalize, settings={"auc": settings})
