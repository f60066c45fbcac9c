"""Samples of a predicted color distribution that are coherent over the image."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from colorjax.quantize import GRID

Spread = Callable[[np.ndarray], np.ndarray]

BIN_VARIANCE = (GRID / 2) ** 2  # in ab; added so that a single bin has a covariance
MAX_VARIATION = 1.5  # of a sample, in units of the total variation of the mean
HALVINGS = 8  # in the bisection for the strength of the noise
CORRELATION = 0.5  # length over which the noise is alike, in units of the long side
WAVES = 4  # half-waves along a side; the next one has 3e-9 of the first one's variance


def sample(
    logits: Float[np.ndarray, "h w q"],
    centers: Float[np.ndarray, "q 2"],
    seed: int,
    spread: Spread,
) -> Float[np.ndarray, "h2 w2 2"]:
    """One of many plausible colorings: the mean of a tilted distribution.

    `centers` are the ab values of the bins; `spread` interpolates a grid of values to
    the working size. With smooth noise e(x) of unit variance, and the covariance S(x)
    of the distribution p(x), p is multiplied by exp(c . S^(-1/2) e) at each center c.
    If p is Gaussian, its mean moves by S^(1/2) e, which is a draw from p. For bins the
    mean stays among the colors that are probable. Colors move where the distribution is
    wide, stay where it is narrow, and neighboring pixels move together.

    The total variation of the result is at most `MAX_VARIATION` times that of the plain
    mean. Where it would be larger, the noise is flattened towards its mean over the
    image; if that is not enough, it is also reduced in strength.
    """
    root = _inverse_root(_covariance(softmax(logits, axis=-1), centers))
    noise = smooth_noise(logits.shape[:2], 2, seed)
    level = noise.mean((0, 1))

    def tilted_mean(strength):
        e = min(strength, 1) * level + max(strength - 1, 0) * (noise - level)
        tilt = (root @ e[..., None])[..., 0] @ centers.T
        return spread(softmax(logits + tilt.astype(np.float32), axis=-1) @ centers)

    limit = MAX_VARIATION * total_variation(tilted_mean(0))
    colors, strength = tilted_mean(2), 0.0
    if total_variation(colors) <= limit:
        return colors
    for halving in range(HALVINGS):
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


def smooth_noise(
    size: tuple[int, int], channels: int, seed: int
) -> Float[np.ndarray, "h w c"]:
    """Smooth Gaussian noise of unit variance, of `size` = (height, width).

    It is a sum of cosines. Their amplitudes are normal, and the variances fall off like
    a Gaussian of the frequency, so that values are correlated over half the long side.
    The value at a relative position depends on the seed, not on the resolution.
    """
    amplitude = np.random.default_rng(seed).normal(size=(WAVES, WAVES, channels))
    down, across = (
        _waves(length, length / max(size)).astype(np.float32) for length in size
    )
    return np.einsum("yi,xj,ijc->yxc", down, across, amplitude.astype(np.float32))


def _waves(length: int, side: float) -> Float[np.ndarray, "length waves"]:
    """Cosines at `length` places of a side that is `side` times the long side.

    They are scaled so that their squares sum to 1 at each place.
    """
    waves = np.arange(WAVES)
    place = (np.arange(length) + 0.5) / length
    deviation = np.exp(-((np.pi * waves * CORRELATION / side) ** 2) / 4)
    curves = deviation * np.cos(np.pi * waves * place[:, None])
    return curves / np.sqrt((curves**2).sum(1, keepdims=True))
