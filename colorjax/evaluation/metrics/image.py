"""Closed-form metrics of pictures: `chroma`, `distortion`, `similarity`,
`colourfulness`, and `picture_scores` of single ones."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.color import lab_to_rgb
from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.auc import accuracy
from colorjax.method import Examples
from colorjax.quantize import Q, nearest_bin

WINDOW, SIGMA = 11, 1.5  # of SSIM: pixels of the window, and its Gaussian's spread
C1, C2 = 0.01**2, 0.03**2  # its constants, for a range of 1


def recolor(examples: Examples, ab: Float[Array, "b h w 2"]) -> Float[Array, "b h w 3"]:
    """sRGB in [0, 1] of the original L and other colours, clipped to the gamut."""
    return lab_to_rgb(jnp.concatenate([examples["lightness"], ab], axis=-1))


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
        return {
            "chroma": sums["predicted"] / sums["pictures"],
            "chroma_original": sums["original"] / sums["pictures"],
            "chroma_ratio": sums["predicted"] / sums["original"],
        }

    return Metric(stats, finalize)


def psnr(
    picture: Float[Array, "b h w 3"], original: Float[Array, "b h w 3"]
) -> Float[Array, "b"]:
    """Peak signal-to-noise ratio of pictures in [0, 1], in dB; at most 100."""
    error = jnp.square(picture - original).mean(axis=(1, 2, 3))
    return -10 * jnp.log10(jnp.maximum(error, 1e-10))


def distortion() -> Metric:
    """`psnr`, mean over pictures, in dB, of the recoloured sRGB picture; `rmse_ab` per
    channel over all pixels, in ab units."""

    def stats(prediction, examples):
        ab, colored = examples["ab"], recolor(examples, prediction.ab)
        return {
            "psnr": psnr(colored, examples["rgb"]),
            "squares": jnp.square(prediction.ab - ab).mean(axis=(1, 2, 3)),
            "pictures": jnp.ones(len(ab)),
        }

    def finalize(sums):
        return {
            "psnr": sums["psnr"] / sums["pictures"],
            "rmse_ab": np.sqrt(sums["squares"] / sums["pictures"]),
        }

    return Metric(stats, finalize, settings={"psnr": "sRGB in [0, 1], peak 1"})


def ssim(
    picture: Float[Array, "b h w 3"], original: Float[Array, "b h w 3"]
) -> Float[Array, "b"]:
    """Structural similarity of pictures in [0, 1], the mean over pixels and channels.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004: Gaussian window, pixels
    whose window lies inside. Images are at least 11 pixels large.
    """
    place = jnp.arange(WINDOW) - WINDOW // 2
    window = jnp.exp(-jnp.square(place) / (2 * SIGMA**2))
    window /= window.sum()
    # Planes of each channel, [b 3 h w], are four times faster on a CPU than [b h w 3].
    x, y = (jnp.moveaxis(rgb, -1, 1) for rgb in (picture, original))
    moments = jnp.stack([x, y, x**2, y**2, x * y])
    for axis in (3, 4):  # the window as two passes of shifted sums
        size = moments.shape[axis] - WINDOW + 1
        moments = sum(
            window[i] * jax.lax.slice_in_dim(moments, i, i + size, axis=axis)
            for i in range(WINDOW)
        )
    mean_x, mean_y, square_x, square_y, product = moments
    variances = (square_x - mean_x**2) + (square_y - mean_y**2)
    covariance = product - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return (luminance * structure).mean(axis=(1, 2, 3))


def similarity(side: int) -> Metric:
    """`ssim`, mean over pictures, of the recoloured sRGB picture.

    Raises `UserError` where pictures of `side` pixels are smaller than its window.
    """
    if side < WINDOW:
        raise UserError(
            f"ssim: pictures of {side} pixels are smaller than its window of {WINDOW}; "
            "set data.resize"
        )

    def stats(prediction, examples):
        similar = ssim(recolor(examples, prediction.ab), examples["rgb"])
        return {"ssim": similar, "pictures": jnp.ones(len(similar))}

    settings = {"ssim": f"sRGB in [0, 1], Gaussian window {WINDOW}, sigma {SIGMA}"}
    return Metric(
        stats, lambda sums: {"ssim": sums["ssim"] / sums["pictures"]}, settings=settings
    )


def colorfulness_of(
    rgb: Float[Array, "b h w 3"], absolute: bool = False
) -> Float[Array, "b"]:
    """Colourfulness of pictures in [0, 1], on the scale of 8-bit levels.

    Source: Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE
    2003, M^(3): with opponents R - G and (R + G) / 2 - B, the norm of their standard
    deviations plus 0.3 times that of their means. `absolute` takes the opponents'
    absolute values first, as many programs do; it gives other numbers.
    """
    r, g, b = (255 * rgb[..., i] for i in range(3))
    opponents = jnp.stack([r - g, (r + g) / 2 - b], axis=-1)
    if absolute:
        opponents = jnp.abs(opponents)
    deviation = jnp.linalg.norm(opponents.std(axis=(1, 2)), axis=-1)
    return deviation + 0.3 * jnp.linalg.norm(opponents.mean(axis=(1, 2)), axis=-1)


def colourfulness() -> Metric:
    """Means over pictures: `colourfulness` as published, `colourfulness_absolute` its
    variant with absolute opponents, `colourfulness_difference` of the published one to
    the originals'."""

    def stats(prediction, examples):
        colored = recolor(examples, prediction.ab)
        return {
            "signed": colorfulness_of(colored),
            "absolute": colorfulness_of(colored, absolute=True),
            "original": colorfulness_of(examples["rgb"]),
            "pictures": jnp.ones(len(colored)),
        }

    def finalize(sums):
        n = sums["pictures"]
        return {
            "colourfulness": sums["signed"] / n,
            "colourfulness_absolute": sums["absolute"] / n,
            "colourfulness_difference": (sums["signed"] - sums["original"]) / n,
        }

    return Metric(stats, finalize, settings={"colourfulness": "8-bit levels of sRGB"})


def picture_scores() -> Metric:
    """Of single pictures: `auc`, `psnr`, `colourfulness`, `index`, and `nan`, 1 where a
    colour is not a number. They are kept, and have no figure."""

    def stats(prediction, examples):
        colored = recolor(examples, prediction.ab)
        return {
            "auc": accuracy(prediction, examples).mean(axis=(1, 2)),
            "psnr": psnr(colored, examples["rgb"]),
            "colourfulness": colorfulness_of(colored),
            "index": examples["index"],
            "nan": 1.0 * ~jnp.isfinite(prediction.ab).all(axis=(1, 2, 3)),
        }

    return Metric(stats, lambda kept: {}, kept=True)


def histogram() -> Metric:
    """How many pixels each bin has, which is no figure."""

    def stats(prediction, examples):
        classes = nearest_bin(prediction.ab).reshape(len(prediction.ab), -1)
        return {"pixels": jax.vmap(lambda c: jnp.bincount(c, length=Q))(classes)}

    return Metric(stats, lambda sums: {})
