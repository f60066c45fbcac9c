"""Closed-form metrics of pictures: `chroma`, `distortion`."""

import jax.numpy as jnp
import numpy as np

from colorjax.color import lab_to_rgb
from colorjax.evaluation import Metric


def chroma() -> Metric:
    """Mean distance from grey in ab units: `chroma`, `chroma_original`,
    `chroma_ratio`."""

    def mean_chroma(ab):
        return jnp.linalg.norm(ab, axis=-1).mean(axis=(1, 2))

    def stats(prediction, examples):
        return {
            "predicted": mean_chroma(prediction.ab),
            "original": mean_chroma(examples["ab"]),
            "pictures": jnp.ones(len(examples["ab"])),
        }

    def finalize(sums):
        with np.errstate(invalid="ignore", divide="ignore"):  # grey originals
            return {
                "chroma": sums["predicted"] / sums["pictures"],
                "chroma_original": sums["original"] / sums["pictures"],
                "chroma_ratio": sums["predicted"] / sums["original"],
            }

    return Metric(stats, finalize)


def distortion() -> Metric:
    """`rmse_ab` per channel over all pixels, in ab units; `psnr`, mean over pictures,
    dB.

    PSNR is that of the sRGB picture made of the original L and the predicted ab,
    clipped to the gamut, peak 1.
    """

    def stats(prediction, examples):
        lightness, ab = examples["lightness"], examples["ab"]
        colored = lab_to_rgb(jnp.concatenate([lightness, prediction.ab], -1))
        original = lab_to_rgb(jnp.concatenate([lightness, ab], -1))
        error = jnp.square(colored - original).mean(axis=(1, 2, 3))
        return {
            "psnr": -10 * jnp.log10(jnp.maximum(error, 1e-10)),
            "squares": jnp.square(prediction.ab - ab).mean(axis=(1, 2, 3)),
            "pictures": jnp.ones(len(ab)),
        }

    def finalize(sums):
        with np.errstate(invalid="ignore"):
            return {
                "psnr": sums["psnr"] / sums["pictures"],
                "rmse_ab": np.sqrt(sums["squares"] / sums["pictures"]),
            }

    return Metric(stats, finalize)
