"""How a picture moved on from the one before it: `motion`, `Motion`.

Dense optical flow by inverse search (Kroeger et al., "Fast Optical Flow using Dense
Inverse Search", ECCV 2016, as OpenCV has it), forwards and backwards. A pixel's motion
is trusted where the two agree (Sundaram, Brox, Keutzer, "Dense Point Trajectories by
GPU-accelerated Large Displacement Optical Flow", ECCV 2010, eq. 5) and the lightness
at both ends does: elsewhere something was uncovered, or came in from the side.
"""

import functools
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

AGREED = 0.01, 0.5  # of squared lengths, and in squared pixels: eq. 5
RESIDUAL = 24  # levels of 255 that a thing's lightness may change by in one picture
CUT = 0.3  # share of trusted pixels; with less the picture is of another shot


class Motion(NamedTuple):
    """Where every pixel comes from: `flow` is (x, y), in pixels, from the pixel to its
    place in the picture before; `trusted` says where that is known."""

    flow: Float[np.ndarray, "h w 2"]
    trusted: Bool[np.ndarray, "h w"]

    @property
    def is_cut(self) -> bool:
        """Whether the pictures are of different shots."""
        return float(self.trusted.mean()) < CUT


def motion(
    before: UInt8[np.ndarray, "h2 w2"], now: UInt8[np.ndarray, "h2 w2"], factor: int
) -> Motion:
    """The motion between two pictures, the means of `factor` times `factor` pixels.

    On more pixels than the motion is asked for it is found to a fraction of one.
    """
    flow, forward = _flow(now, before), _flow(before, now)
    back = _moved(forward, flow)
    lengths = (flow**2 + back**2).sum(-1)
    agreed = ((flow + back) ** 2).sum(-1) < AGREED[0] * lengths + AGREED[1]
    alike = cv2.absdiff(_moved(before, flow), now) < RESIDUAL
    trusted = (agreed & alike & _inside(flow)).astype(np.float32)
    size = (now.shape[1] // factor, now.shape[0] // factor)
    flow = cv2.resize(flow, size, interpolation=cv2.INTER_AREA) / np.float32(factor)
    return Motion(flow, cv2.resize(trusted, size, interpolation=cv2.INTER_AREA) > 0.5)


@functools.cache
def _search():
    cv2.setNumThreads(1)  # it parts the picture by threads, and the parts show
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _flow(start, end):
    """From every pixel of `start` to where it is in `end`."""
    return _search().calc(start, end, None)


def _places(flow):
    y, x = np.indices(flow.shape[:2], np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def _moved(picture, flow):
    """What `picture` has where `flow` leads, bilinear."""
    return cv2.remap(
        picture, *_places(flow), cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )


def _inside(flow):
    (height, width), (x, y) = flow.shape[:2], _places(flow)
    return (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
