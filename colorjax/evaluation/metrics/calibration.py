"""How well the predicted color distribution is calibrated: `calibration`."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.data.statistics import sum_by_class
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Family
from colorjax.quantize import nearest_bin

BINS = 15  # of confidence, equally wide


def calibration() -> Metric:
    """`nll`, mean negative log-likelihood per pixel in nats, and `ece`, in [0, 1].

    Both measure the distribution at temperature 1 and at its own resolution. The class
    of a pixel is the bin nearest to its true ab. The expected calibration error (Guo et
    al., ICML 2017) is the mean difference between the probability of the likeliest bin
    and its accuracy, over 15 bins of that probability. A method that is trained on
    rebalanced classes predicts a rebalanced distribution, so both values are high for
    it. A prediction without logits has no value.
    """

    def stats(prediction, examples):
        if prediction.logits is None:
            return {}
        logits = prediction.logits.astype(jnp.float32)
        stride = examples["ab"].shape[1] // logits.shape[1]
        target = nearest_bin(examples["ab"][:, ::stride, ::stride])
        normalizer, largest = jax.nn.logsumexp(logits, axis=-1), logits.max(axis=-1)
        own = jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
        confidence = jnp.exp(largest - normalizer)
        right = (own == largest).astype(jnp.float32)
        bins = jnp.minimum((confidence * BINS).astype(jnp.int32), BINS - 1)
        return {
            "nll": (normalizer - own).sum(axis=(1, 2)),
            "pixels": sum_by_class(jnp.ones_like(right), bins, BINS),
            "right": sum_by_class(right, bins, BINS),
            "confidence": sum_by_class(confidence, bins, BINS),
        }

    def finalize(sums):
        pixels = sums["pixels"].sum()
        gap = np.abs(sums["confidence"] - sums["right"]).sum()
        return {"nll": sums["nll"] / pixels, "ece": gap / pixels}

    return Metric(stats, finalize, settings={"ece": f"{BINS} equal bins, top label"})


FAMILY = Family(
    "calibration",
    lambda context: calibration(),
    {
        "nll": Column("NLL", 3, "nats a pixel, of the distribution before decoding"),
        "ece": Column("ECE", 3, "calibration error of that distribution"),
    },
)
