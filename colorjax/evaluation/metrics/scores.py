"""What the page shows of single images and of bins: `image_scores` and `histogram`."""

import jax
import jax.numpy as jnp

from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.auc import accuracy
from colorjax.evaluation.metrics.image import colorfulness_of, psnr, recolor
from colorjax.quantize import Q, nearest_bin


def image_scores() -> Metric:
    """Per image: `auc`, `psnr`, `colourfulness`, `index`, and `nan`, which is 1 where
    the prediction is not finite. This metric has no value."""

    def stats(prediction, examples):
        colored = recolor(examples, prediction.ab)
        return {
            "auc": accuracy(prediction, examples).mean(axis=(1, 2)),
            "psnr": psnr(colored, examples["rgb"]),
            "colourfulness": colorfulness_of(colored),
            "index": examples["index"],
            "nan": 1.0 * ~jnp.isfinite(prediction.ab).all(axis=(1, 2, 3)),
        }

    return Metric(stats, lambda per_image: {}, per_image=True)


def histogram() -> Metric:
    """How many pixels each bin has. This metric has no value."""

    def stats(prediction, examples):
        classes = nearest_bin(prediction.ab).reshape(len(prediction.ab), -1)
        return {"pixels": jax.vmap(lambda c: jnp.bincount(c, length=Q))(classes)}

    return Metric(stats, lambda sums: {})
