"""Whether a predicted distribution means what it says: `calibration`."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.evaluation.engine import Metric
from colorjax.quantize import nearest_bin

BINS = 15  # of confidence, equally wide


def calibration() -> Metric:
    """`nll`, mean negative log-likelihood per pixel in nats, and `ece`, in [0, 1].

    Of the distribution before any temperature, on the pixels of its own resolution; the
    class is the bin nearest to the true ab. ECE (Guo et al., ICML 2017) is the mean
    distance between the probability of the likeliest bin and how often it is right,
    over 15 bins of that probability. A method trained on rebalanced classes predicts
    rebalanced ones, and these figures show it. Predictions without logits have none.
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

        def by_bin(values, bins):
            return jax.ops.segment_sum(values.ravel(), bins.ravel(), BINS)

        return {
            "nll": (normalizer - own).sum(axis=(1, 2)),
            "pixels": jax.vmap(by_bin)(jnp.ones_like(right), bins),
            "right": jax.vmap(by_bin)(right, bins),
            "confidence": jax.vmap(by_bin)(confidence, bins),
        }

    def finalize(sums):
        pixels = sums["pixels"].sum()
        gap = np.abs(sums["confidence"] - sums["right"]).sum()
        return {"nll": sums["nll"] / pixels, "ece": gap / pixels}

    return Metric(stats, finalize, settings={"ece": f"{BINS} equal bins, top label"})
