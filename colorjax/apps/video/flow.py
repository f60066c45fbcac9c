"""Dense optical flow between consecutive frames: `optical_flow`, `Flow`, `warp`.

The flow comes from inverse search (Kroeger et al., "Fast Optical Flow using Dense
Inverse Search", ECCV 2016, in OpenCV), forward and backward. A pixel's flow is trusted
where both directions agree (Sundaram, Brox, Keutzer, "Dense Point Trajectories by
GPU-accelerated Large Displacement Optical Flow", ECCV 2010, eq. 5) and the grey level
at both ends does. Elsewhere something was uncovered or entered the frame.
"""

import functools
from typing import NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

AGREEMENT = 0.01, 0.5  # eq. 5: factor of the squared lengths; squared pixels
RESIDUAL = 24  # grey levels, of 255, by which a moving point may change in one frame
CUT = 0.3  # with a smaller share of trusted pixels, the frame begins a new shot
STEPS = 32  # positions per pixel at which the check samples the other frame


class Flow(NamedTuple):
    """Where each pixel of a frame comes from.

    `vectors` are (x, y) in pixels, from a pixel to its position in the previous frame.
    `trusted` marks the pixels whose vector passes the checks of this module.
    """

    vectors: Float[np.ndarray, "h w 2"]
    trusted: Bool[np.ndarray, "h w"]

    @property
    def is_cut(self) -> bool:
        """Whether the two frames belong to different shots."""
        return float(self.trusted.mean()) < CUT


def optical_flow(
    previous: UInt8[np.ndarray, "h2 w2"],
    current: UInt8[np.ndarray, "h2 w2"],
    factor: int,
) -> Flow:
    """The flow from `current` back to `previous`, at 1 / `factor` of their size.

    Vectors are in pixels of the returned size. The flow is computed at the size of the
    frames, then averaged, so that it resolves fractions of these pixels.
    """
    vectors, forward = _search(current, previous), _search(previous, current)
    places = np.round(STEPS * vectors) / np.float32(STEPS)
    back = np.asarray(warp(forward, places))
    lengths = (vectors**2 + back**2).sum(-1)
    difference = ((vectors + back) ** 2).sum(-1)
    agree = difference < AGREEMENT[0] * lengths + AGREEMENT[1]
    source = np.asarray(warp(previous[..., None].astype(np.float32), places))[..., 0]
    alike = np.abs(np.floor(source + 0.5) - current) < RESIDUAL
    trusted = (agree & alike & _inside(vectors)).astype(np.float32)
    size = (current.shape[1] // factor, current.shape[0] // factor)
    vectors = cv2.resize(vectors, size, interpolation=cv2.INTER_AREA)
    trusted = cv2.resize(trusted, size, interpolation=cv2.INTER_AREA)
    return Flow(vectors / np.float32(factor), trusted > 0.5)


@jax.jit
def warp(
    x: Float[Array, "h w c"], vectors: Float[Array, "h w 2"]
) -> Float[Array, "h w c"]:
    """Sample `x` where `vectors`, (x, y) in its pixels, point: bilinear, with the
    border continued."""
    height, width = x.shape[:2]
    column = jnp.clip(jnp.arange(width) + vectors[..., 0], 0, width - 1)
    row = jnp.clip(jnp.arange(height)[:, None] + vectors[..., 1], 0, height - 1)
    left, top = jnp.floor(column).astype(int), jnp.floor(row).astype(int)
    right, low = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (column - left)[..., None], (row - top)[..., None]
    upper = x[top, left] * (1 - across) + x[top, right] * across
    lower = x[low, left] * (1 - across) + x[low, right] * across
    return upper * (1 - down) + lower * down


@functools.cache
def _estimator() -> cv2.DISOpticalFlow:
    # With several threads OpenCV splits the frame, and the seams change the result.
    cv2.setNumThreads(1)
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _search(
    start: UInt8[np.ndarray, "h w"], end: UInt8[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 2"]:
    """Vectors from each pixel of `start` to its position in `end`."""
    return _estimator().calc(start, end, None)  # pyright: ignore


def _inside(vectors: Float[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "h w"]:
    """Whether each vector points into the frame."""
    height, width = vectors.shape[:2]
    y, x = np.indices((height, width), np.float32)
    x, y = x + vectors[..., 0], y + vectors[..., 1]
    return (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
