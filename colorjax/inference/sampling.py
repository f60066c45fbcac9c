"""Samples of a predicted color distribution that are coherent over the image."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from colorjax.inference.softmax import softmax
from colorjax.quantize import GRID

Spread = Callable[[np.ndarray], np.ndarray]

BIN_VARIANCE = (GRID / 2) ** 2  # in ab; added so that a single bin has a covariance
MAX_VARIATION = 1.25  # of a sample, in units of the total variation of the mean
HALVINGS = 8  # in the bisection for the strength of the noise
WAVES = 256  # of the noise
NEAR = 0.6  # length over which the noise is alike, in units of the long side
ALIKE = 25.0  # the same for colors, in ab units
SURE = 2.0  # power of the probabilities that shows where one color dominates


def sample(
    logits: Float[np.ndarray, "h w q"],
    centers: Float[np.ndarray, "q 2"],
    seeds: Sequence[int],
    spread: Spread,
) -> Float[np.ndarray, "h2 w2 2"]:
    """One of many plausible colorings: the mean of a tilted distribution.

    `centers` are the ab values of the bins; `spread` interpolates a grid of values to
    the working size. With noise e(x) and the covariance S(x) of the distribution p(x),
    p is multiplied by exp(c . S^(-1/2) e) at each center c. If p is Gaussian, its mean
    moves by S^(1/2) e, which is a draw from p. For bins the mean stays among the colors
    that are probable.

    The noise is alike where positions, mean colors and deviations are alike (see
    `regions`), so a thing changes as a whole, and another thing differently. The noise
    is weaker where one color dominates: there p squared is much narrower than p.

    The total variation of the result is at most `MAX_VARIATION` times that of the plain
    mean. Where it would be larger, the noise is reduced in strength.
    """
    p = softmax(logits)
    covariance = _covariance(p, centers)
    dominant = _covariance(softmax(SURE * logits), centers)
    sureness = np.trace(dominant, axis1=-2, axis2=-1) / np.trace(
        covariance, axis1=-2, axis2=-1
    )
    noise = smooth_noise(regions(p @ centers, covariance), 2, seeds)
    noise *= np.minimum(sureness, 1)[..., None]
    tilt = (_inverse_root(covariance) @ noise[..., None])[..., 0] @ centers.T

    def tilted_mean(strength):
        tilted = logits + np.float32(strength) * tilt.astype(np.float32)
        return spread(softmax(tilted) @ centers)

    limit = MAX_VARIATION * total_variation(tilted_mean(0))
    colors, strength = tilted_mean(1), 0.0
    if total_variation(colors) <= limit:
        return colors
    for halving in range(1, HALVINGS):
        step = 0.5**halving
        if total_variation(tilted_mean(strength + step)) <= limit:
            strength += step
    return tilted_mean(strength)


def total_variation(ab: Float[np.ndarray, "h w c"]) -> float:
    """The sum of absolute differences between neighbors, down and across."""
    return sum(float(np.abs(np.diff(ab, axis=axis)).sum()) for axis in (0, 1))


def _covariance(
    p: Float[np.ndarray, "h w q"], centers: Float[np.ndarray, "q 2"]
) -> Float[np.ndarray, "h w 2 2"]:
    """The covariance of ab at each pixel, plus `BIN_VARIANCE` times the identity."""
    mean = p @ centers
    products = centers[:, :, None] * centers[:, None, :]
    second = (p @ products.reshape(len(centers), 4)).reshape(*mean.shape, 2)
    central = second - mean[..., :, None] * mean[..., None, :]
    return central + BIN_VARIANCE * np.eye(2, dtype=np.float32)


def _inverse_root(s: Float[np.ndarray, "h w 2 2"]) -> Float[np.ndarray, "h w 2 2"]:
    """S^(-1/2) of symmetric 2x2 matrices.

    The square root is (S + d I) / t, where d = sqrt(det S) is its own determinant and
    t = sqrt(trace S + 2 d) is its trace.
    """
    d = np.sqrt(np.maximum(np.linalg.det(s), BIN_VARIANCE**2))[..., None, None]
    t = np.sqrt(np.trace(s, axis1=-2, axis2=-1)[..., None, None] + 2 * d)
    unit = np.eye(2, dtype=s.dtype)
    root = (s + d * unit) / t
    return (np.trace(root, axis1=-2, axis2=-1)[..., None, None] * unit - root) / d


def regions(
    mean: Float[np.ndarray, "h w 2"], covariance: Float[np.ndarray, "h w 2 2"]
) -> Float[np.ndarray, "h w 5"]:
    """What tells regions apart: position, mean ab, and deviation of ab.

    Each is in units of the length over which the noise is alike.
    """
    deviation = np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))[..., None]
    colors = np.concatenate([mean, deviation], axis=-1) / ALIKE
    return np.concatenate([positions(mean.shape[:2]), colors], axis=-1)


def positions(size: tuple[int, int]) -> Float[np.ndarray, "h w 2"]:
    """Row and column, in units of `NEAR` long sides, of `size` = (height, width)."""
    unit = NEAR * max(size)
    down, across = ((np.arange(n) + 0.5) / unit for n in size)
    return np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1)


def smooth_noise(
    features: Float[np.ndarray, "h w f"], channels: int, seeds: Sequence[int]
) -> Float[np.ndarray, "h w c"]:
    """Gaussian noise of unit variance that is alike where `features` are alike.

    Its correlation is about exp(-d^2 / 2) at a distance d of features. It is a sum of
    random waves over the features (Rahimi and Recht, "Random Features for Large-Scale
    Kernel Machines", NeurIPS 2007).
    """
    random = np.random.default_rng(seeds)
    phase = features @ random.normal(size=(features.shape[-1], WAVES))
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)
    amplitude = random.normal(size=(2 * WAVES, channels)) / np.sqrt(WAVES)
    return (waves @ amplitude).astype(np.float32)
