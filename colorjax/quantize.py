"""The quantised ab plane of the paper: bins, soft code, loss and decoding.

`ab_bins` gives the 313 bins; `soft_encode` turns colours into sparse codes over them;
`soft_cross_entropy` compares logits with such a code; `rebalancing_weights` makes rare
colours count; `annealed_mean` turns a distribution back into a colour.

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016, section 2.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.spatial import ConvexHull

from colorjax.color import rgb_to_lab

GRID = 10  # spacing of the bins, in ab units
Q = 313  # how many bins there are
PLANE = 128  # codes are exact for |a|, |b| <= PLANE, which holds every sRGB colour
CELL = 4  # side of a cell of the candidate table, in ab units


@functools.cache
def ab_bins() -> Float[np.ndarray, "313 2"]:
    """Centres (a, b) of the 313 bins, sorted by a, then b.

    They are the multiples of 10 inside the convex hull of the sRGB cube's projection to
    the ab plane (233 points) and the eight neighbours of each: exactly the set that
    the paper's authors released as a data file.
    """
    level = np.linspace(0, 1, 52)
    u, v = (x.ravel() for x in np.meshgrid(level, level))
    faces = [np.insert(np.stack([u, v], -1), i, s, 1) for i in range(3) for s in (0, 1)]
    with jax.ensure_compile_time_eval():  # callers may be inside a jit
        ab = np.asarray(rgb_to_lab(jnp.asarray(np.concatenate(faces))))[:, 1:]
    hull = ConvexHull(ab).equations  # rows (normal, offset), inside where <= 0
    steps = np.arange(-PLANE // GRID, PLANE // GRID + 1)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1) * GRID
    inside = (grid @ hull[:, :2].T + hull[:, 2] <= 0).all(-1)
    padded = np.pad(inside, 1)
    size = len(steps)
    dilated = np.any(
        [padded[i : i + size, j : j + size] for i in range(3) for j in range(3)], axis=0
    )
    return grid[dilated].astype(np.float32)


@functools.cache
def _candidates(neighbors: int) -> Int[np.ndarray, "cells width"]:
    """For each cell of the ab plane, the bins that can be among the nearest of a point.

    A bin is left out of a cell when at least `neighbors` others are nearer everywhere
    in it. "Nearer" is linear in the point (a bisector), so the four corners decide.
    Rows are sorted, and padded with Q.
    """
    low = np.arange(-PLANE, PLANE, CELL)
    origin = np.stack(np.meshgrid(low, low, indexing="ij"), -1).reshape(-1, 1, 2)
    corners = origin + np.array([[0, 0], [0, CELL], [CELL, 0], [CELL, CELL]])
    away = ((corners[:, :, None] - ab_bins()) ** 2).sum(-1)  # [cells, 4, Q], exact
    # Only a few dozen bins near a cell can matter; sorted, so that ties stay in order.
    near = np.sort(np.argsort(away.max(1), axis=1)[:, : 4 * neighbors + 24])
    away = np.take_along_axis(away, near[:, None], axis=2)
    # The margin keeps a bin that float32 rounding could still bring in.
    beaten = np.all(
        [a[:, None, :] - a[:, :, None] > 1e-3 for a in np.moveaxis(away, 1, 0)], axis=0
    )
    keep = beaten.sum(1) < neighbors
    table = np.sort(np.where(keep, near, Q))
    return table[:, : keep.sum(1).max()].astype(np.int32)


def soft_encode(
    ab: Float[Array, "... 2"], neighbors: int = 5, sigma: float = 5.0
) -> tuple[Int[Array, "... k"], Float[Array, "... k"]]:
    """Sparse soft code of colours: their nearest bins, nearest first, and weights.

    Weights are a Gaussian of the distance (`sigma` in ab units) and sum to 1; equal
    distances go to the lower bin. Exact for |a|, |b| <= 128. With `neighbors` = 313 the
    code is dense: every bin, in the order of `ab_bins`.

    The paper takes 5 neighbours, its released code 10.
    """
    bins = jnp.asarray(ab_bins())
    if neighbors >= Q:
        distance = ((ab[..., None, :] - bins) ** 2).sum(-1)
        indices = jnp.broadcast_to(jnp.arange(Q), distance.shape)
    else:
        cell = jnp.clip(jnp.floor((ab + PLANE) / CELL), 0, 2 * PLANE // CELL - 1)
        row = (cell[..., 0] * (2 * PLANE // CELL) + cell[..., 1]).astype(jnp.int32)
        candidates = jnp.asarray(_candidates(neighbors))[row]
        centres = jnp.concatenate([bins, jnp.full((1, 2), 1e6)])[candidates]
        distance = ((ab[..., None, :] - centres) ** 2).sum(-1)
        distance, order = jax.lax.top_k(-distance, neighbors)
        distance = -distance
        indices = jnp.take_along_axis(candidates, order, axis=-1)
    nearest = distance.min(-1, keepdims=True)  # keeps far colours from underflowing
    weights = jnp.exp((nearest - distance) / (2 * sigma**2))
    return indices, weights / weights.sum(-1, keepdims=True)


def nearest_bin(ab: Float[Array, "... 2"]) -> Int[Array, "..."]:
    """Index of the bin nearest to each colour: its class."""
    return soft_encode(ab, neighbors=1)[0][..., 0]


def rebalancing_weights(
    prior: Float[Array, "q"], mix: float = 0.5
) -> Float[Array, "q"]:
    """Weight of each bin, w = ((1 - mix) p + mix / Q)^-1 scaled to E_p[w] = 1 (eq. 4).

    `prior` sums to 1. `mix` = 1 gives plain classification: every weight is 1.
    """
    weights = 1 / ((1 - mix) * prior + mix / Q)
    return weights / (prior * weights).sum()


def annealed_mean(
    logits: Float[Array, "... q"], temperature: float = 0.38
) -> Float[Array, "... 2"]:
    """Colour of a distribution: the mean of softmax(logits / temperature) (eq. 5).

    Temperature 1 is the plain mean; towards 0 it becomes the mode.
    """
    p = jax.nn.softmax(logits.astype(jnp.float32) / temperature, axis=-1)
    return jnp.matmul(p, ab_bins(), precision=jax.lax.Precision.HIGHEST)


@jax.custom_vjp
def soft_cross_entropy(
    logits: Float[Array, "... q"],
    indices: Int[Array, "... k"],
    weights: Float[Array, "... k"],
) -> Float[Array, "..."]:
    """Cross-entropy of logits against a sparse soft code, per pixel (eq. 2, w = 1).

    logsumexp(z) - sum_k w_k z[i_k]: the code sums to 1, so no dense target is made.
    Differentiable in the logits only.
    """
    return _cross_entropy(logits, indices, weights)[0]


def _cross_entropy(logits, indices, weights):
    z = logits.astype(jnp.float32)
    normalizer = jax.nn.logsumexp(z, axis=-1)
    taken = jnp.take_along_axis(z, indices, axis=-1)
    return normalizer - (weights * taken).sum(-1), normalizer


def _cross_entropy_forward(logits, indices, weights):
    loss, normalizer = _cross_entropy(logits, indices, weights)
    return loss, (logits, indices, weights, normalizer)


def _cross_entropy_backward(saved, cotangent):
    logits, indices, weights, normalizer = saved
    # The select, which changes nothing that counts, ends the fusion that XLA's CPU
    # compiler would grow from the normalizer's sum up to here, with float32 copies of
    # the logits between its parts; so this is one pass, as it is elsewhere.
    normalizer = jnp.where(cotangent == 0, jnp.inf, normalizer)
    p = jnp.exp(logits.astype(jnp.float32) - normalizer[..., None])
    # Comparing indices, not scattering weights, is elementwise; they are distinct.
    bins = jnp.arange(logits.shape[-1])
    target = 0.0
    for k in range(indices.shape[-1]):
        target = jnp.where(bins == indices[..., k, None], weights[..., k, None], target)
    gradient = cotangent[..., None] * (p - target)
    return gradient.astype(logits.dtype), None, None


soft_cross_entropy.defvjp(_cross_entropy_forward, _cross_entropy_backward)
