"""The likeliest colors of a place, from which a person may choose a hint."""

import numpy as np
from jaxtyping import Float

from colorjax.inference.distribution import Distribution
from colorjax.inference.interpolation import interpolate
from colorjax.inference.softmax import softmax
from colorjax.quantize import ab_bins

STEPS = 20  # of Lloyd's algorithm at most; a few suffice


def likely_colors(
    distribution: Distribution, x: float, y: float, count: int = 5
) -> tuple[float, Float[np.ndarray, "k 2"]]:
    """L at a place, and the ab of at most `count` likely colors, the likeliest first.

    `x`, to the right, and `y`, down, are fractions of the sides of the picture. The
    colors are the means of the clusters of the 313 bins under the distribution there.
    Without a distribution there is one color, the predicted one.
    """
    size = distribution.lightness.shape
    row, column = (
        min(max(part * length - 0.5, 0.0), length - 1.0)
        for part, length in zip((y, x), size, strict=True)
    )
    pixel = round(row), round(column)
    lightness = float(distribution.lightness[pixel])
    if distribution.logits is None:
        return lightness, distribution.ab[pixel][None]
    places = [np.array([at / distribution.stride]) for at in (row, column)]
    logits = interpolate(distribution.require_logits(), places)[0, 0]
    return lightness, clusters(softmax(logits), ab_bins(), count)[1]


def clusters(
    weights: Float[np.ndarray, "n"], points: Float[np.ndarray, "n d"], count: int
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k d"]]:
    """The weights and the means of at most `count` clusters, the heaviest first.

    This is Lloyd's algorithm on weighted points. It starts from the heaviest point, and
    then from the one that adds most to the sum of weighted squared distances.
    """
    means = points[[weights.argmax()]]
    while len(means) < count:
        error = weights * _distance(points, means).min(axis=1)
        if not error.max() > 0:
            break
        means = np.concatenate([means, points[[error.argmax()]]])
    masses = np.zeros(len(means))
    for _ in range(STEPS):
        owner = _distance(points, means).argmin(axis=1)
        share = (owner == np.arange(len(means))[:, None]) * weights
        masses, before = share.sum(axis=1), means
        sums, full = share @ points, masses[:, None] > 0
        means = np.where(full, sums / np.where(full, masses[:, None], 1), means)
        if (means == before).all():
            break
    order = np.argsort(-masses, kind="stable")
    return masses[order], means[order]


def _distance(
    points: Float[np.ndarray, "n d"], means: Float[np.ndarray, "k d"]
) -> Float[np.ndarray, "n k"]:
    """The squared distances of all points from all means."""
    return ((points[:, None] - means) ** 2).sum(-1)
