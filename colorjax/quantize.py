"""The quantized ab plane of the paper: bins, soft code, loss and decoding.

`ab_bins` returns the 313 bins. `soft_encode` turns colors into sparse codes over the
bins. `soft_cross_entropy` compares logits with such a code. `rebalancing_weights` gives
rare colors more weight. `annealed_mean` turns a distribution into a color.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, section 2.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

GRID = 10  # spacing of the bins, in ab units
Q = 313  # number of bins
PLANE = 128  # codes are exact for |a|, |b| <= PLANE, which covers all of sRGB
CELL = 4  # ab units: the side of a cell of the candidate table
OFFSET = 100  # makes coordinates in GRID positive where they are packed


# The first and the last b of the bins with a = -90, -80, ..., 100. A test computes them
# from the definition, which takes a few tenths of a second: too long for every start.
RANGES = (
    *((50, 90), (20, 90), (0, 90), (-20, 90), (-30, 100), (-40, 100), (-50, 100)),
    *((-50, 100), (-60, 100), (-70, 100), (-80, 90), (-80, 90), (-90, 90), (-100, 90)),
    *((-100, 80), (-110, 80), (-110, 80), (-110, 70), (-110, 70), (-90, 0)),
)


@functools.cache
def ab_bins() -> Float[np.ndarray, "313 2"]:
    """Centers (a, b) of the 313 bins in ab units, sorted by a, then b.

    These are the multiples of 10 inside the convex hull of the sRGB cube's projection
    onto the ab plane (233 points), and the eight neighbors of each. The result is equal
    to the data file that the paper's authors released.
    """
    bins = [
        (a, b)
        for a, (first, last) in enumerate(RANGES, start=-9)
        for b in range(first // GRID, last // GRID + 1)
    ]
    return GRID * np.array(bins, np.float32)


@functools.cache
def _candidates(neighbors: int) -> Int[np.ndarray, "cells width"]:
    """For each cell of the ab plane, the bins that may be nearest to a point in it.

    A bin is not a candidate if at least `neighbors` other bins are nearer at every
    point of the cell. The points where one bin is nearer than another are a half plane,
    so testing the four corners suffices. Rows are sorted and padded with Q.
    """
    low = np.arange(-PLANE, PLANE, CELL, dtype=np.int32)
    edges = np.stack([low, low + CELL], axis=1)[:, :, None]  # of rows, and of columns
    # The squared distance from a corner to a bin is a sum of a part of a and one of b.
    a, b = (np.square(edges - axis) for axis in ab_bins().T.astype(np.int32))
    farthest = (a.max(1)[:, None] + b.max(1)).reshape(-1, Q)
    # Only a few dozen bins near a cell can matter; sorted, so that ties stay in order.
    count = 4 * neighbors + 24
    near = np.sort(np.argpartition(farthest, count, axis=1)[:, :count])
    row, column = np.divmod(np.arange(len(near))[:, None], len(low))
    corners = [a[row, i, near] + b[column, j, near] for i in (0, 1) for j in (0, 1)]
    # Where equal distances are told apart by rounding, both bins stay candidates.
    nearer = np.all([d[:, None, :] > d[:, :, None] for d in corners], axis=0)
    candidate = nearer.sum(1) < neighbors
    table = np.sort(np.where(candidate, near, Q))
    return table[:, : candidate.sum(1).max()].astype(np.int32)


@functools.cache
def _packed_candidates(neighbors: int) -> Int[np.ndarray, "cells width"]:
    """`_candidates` with their coordinates, 10 bits each: a, b in GRID, and the index.

    One lookup finds all three. Looking up the centers by index takes seven times as
    long on a CPU. Padding has a center that is far from all colors.
    """
    candidates = _candidates(neighbors)
    steps = np.append(ab_bins() // GRID, [[OFFSET, OFFSET]], axis=0).astype(np.int32)
    a, b = np.moveaxis(steps[candidates] + OFFSET, -1, 0)
    return a << 20 | b << 10 | candidates


def _unpack(packed):
    """a and b in ab units, and the index."""
    a, b = (packed >> 20) - OFFSET, (packed >> 10 & 1023) - OFFSET
    return GRID * a, GRID * b, packed & 1023


def soft_encode(
    ab: Float[Array, "... 2"], neighbors: int = 5, sigma: float = 5.0
) -> tuple[Int[Array, "... k"], Float[Array, "... k"]]:
    """The sparse soft code of colors: indices of their nearest bins, and weights.

    The nearest bin comes first; of two equally near bins the one with the lower index.
    Weights are a Gaussian of the distance (`sigma` in ab units) and sum to 1. The code
    is exact for |a|, |b| <= 128. With `neighbors` = 313 it is dense: all bins, in the
    order of `ab_bins`. The paper uses 5 neighbors, its released code 10.
    """
    if neighbors >= Q:
        distance = ((ab[..., None, :] - ab_bins()) ** 2).sum(-1)
        indices = jnp.broadcast_to(jnp.arange(Q), distance.shape)
    else:
        cell = jnp.clip(jnp.floor((ab + PLANE) / CELL), 0, 2 * PLANE // CELL - 1)
        row = (cell[..., 0] * (2 * PLANE // CELL) + cell[..., 1]).astype(jnp.int32)
        packed = jnp.asarray(_packed_candidates(neighbors))[row]
        a, b, _ = _unpack(packed)
        a, b = (ab[..., :1] - a) ** 2, (ab[..., 1:] - b) ** 2
        # The maximum is the sum. It makes the compiler round both squares before it
        # adds them, so that equally near bins have equal distances.
        distance = jnp.maximum(a + b, jnp.maximum(a, b))
        distance, order = jax.lax.top_k(-distance, neighbors)
        distance = -distance
        indices = _unpack(jnp.take_along_axis(packed, order, axis=-1))[2]
    nearest = distance.min(-1, keepdims=True)  # subtracted against underflow
    weights = jnp.exp((nearest - distance) / (2 * sigma**2))
    return indices, weights / weights.sum(-1, keepdims=True)


def nearest_bin(ab: Float[Array, "... 2"]) -> Int[Array, "..."]:
    """The class of each color: the index of its nearest bin."""
    return soft_encode(ab, neighbors=1)[0][..., 0]


def rebalancing_weights(
    prior: Float[Array, "q"], mix: float = 0.5
) -> Float[Array, "q"]:
    """The weight of each bin: ((1 - mix) p + mix / Q)^-1, scaled to E_p[w] = 1 (eq. 4).

    `prior`, the frequencies p, sums to 1. `mix` = 1 gives plain classification: all
    weights are 1.
    """
    weights = 1 / ((1 - mix) * prior + mix / Q)
    return weights / (prior * weights).sum()


def annealed_mean(
    logits: Float[Array, "... q"], temperature: float = 0.38
) -> Float[Array, "... 2"]:
    """The color of a distribution: the mean of softmax(logits / temperature) (eq. 5).

    Temperature 1 gives the mean, temperatures towards 0 the mode.
    """
    p = jax.nn.softmax(logits.astype(jnp.float32) / temperature, axis=-1)
    return jnp.matmul(p, ab_bins(), precision=jax.lax.Precision.HIGHEST)


@jax.custom_vjp
def soft_cross_entropy(
    logits: Float[Array, "... q"],
    indices: Int[Array, "... k"],
    weights: Float[Array, "... k"],
) -> Float[Array, "..."]:
    """The cross-entropy of logits against a sparse soft code (eq. 2 with w = 1).

    It is logsumexp(z) - sum_k w_k z[i_k]. The weights sum to 1, so no dense target is
    needed. Differentiable in the logits only.
    """
    return _cross_entropy(logits, indices, weights)[0]


def _cross_entropy(logits, indices, weights):
    z = logits.astype(jnp.float32)
    normalizer = jax.nn.logsumexp(z, axis=-1)
    targets = jnp.take_along_axis(z, indices, axis=-1)
    return normalizer - (weights * targets).sum(-1), normalizer


def _cross_entropy_forward(logits, indices, weights):
    loss, normalizer = _cross_entropy(logits, indices, weights)
    return loss, (logits, indices, weights, normalizer)


def _cross_entropy_backward(saved, cotangent):
    logits, indices, weights, normalizer = saved
    # This select changes no gradient. It ends the fusion that XLA's CPU compiler would
    # extend from the sum of the normalizer to this line, with float32 copies of the
    # logits in between. So the gradient is one pass on the CPU, as on other devices.
    normalizer = jnp.where(cotangent == 0, jnp.inf, normalizer)
    p = jnp.exp(logits.astype(jnp.float32) - normalizer[..., None])
    # Comparing distinct indices is elementwise; scattering their weights is not.
    bins = jnp.arange(logits.shape[-1])
    target = 0.0
    for k in range(indices.shape[-1]):
        target = jnp.where(bins == indices[..., k, None], weights[..., k, None], target)
    gradient = cotangent[..., None] * (p - target)
    return gradient.astype(logits.dtype), None, None


soft_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)
