"""The area under the curve (AuC) of ab accuracy, plain and with weight on rare colors.

Source: Zhang, Isola, Efros, ECCV 2016, section 3.1. The curve is the share of pixels
whose predicted ab lies within a threshold of the true ab. The threshold is swept over
[0, 150], so the area under the curve is exactly 1 - E[min(distance, 150)] / 150.
"""

import hashlib

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.data.statistics import sum_by_class
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Family
from colorjax.method import Examples, Prediction
from colorjax.quantize import nearest_bin

THRESHOLD = 150.0  # ab units
RARE = 1e-7  # the rebalanced value leaves out bins whose prior is not larger
FEW = 100  # the balanced value leaves out bins with fewer pixels


def accuracy(prediction: Prediction, examples: Examples) -> Float[Array, "b h w"]:
    """The score of each pixel: 1 - min(d, 150) / 150, with d the distance in ab."""
    error = jnp.linalg.norm(prediction.ab - examples["ab"], axis=-1)
    return 1 - jnp.minimum(error, THRESHOLD) / THRESHOLD


def accuracy_curve(prior: Float[np.ndarray, "313"]) -> Metric:
    """AuC in [0, 1] over all pixels, at the resolution of the image.

    The class of a pixel is the bin nearest to its true ab.
    - `auc`: plain mean over pixels;
    - `auc_rebalanced`: mean weighted by 1 / prior of the class;
    - `auc_balanced`: mean over classes of at least 100 pixels of their means;
    - `auc_left_out`: share of pixels that the rebalanced value leaves out.
    """

    def stats(prediction, examples):
        score = accuracy(prediction, examples)
        classes = nearest_bin(examples["ab"])
        return {
            "score": sum_by_class(score, classes),
            "pixels": sum_by_class(jnp.ones_like(score), classes),
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


FAMILY = Family(
    "auc",
    lambda context: accuracy_curve(context.prior),
    {
        "auc": Column("AuC", 4, "area under the share of pixels within an ab distance"),
        "auc_rebalanced": Column("AuC rebal.", 4, "the same, weighted by 1 / prior"),
        "auc_left_out": Column(
            "left out", 4, "share of pixels that AuC rebal. leaves out"
        ),
        "auc_balanced": Column(
            "AuC bal.", 4, "mean over classes of 100 pixels or more"
        ),
    },
)
