"""One prediction from those that a network makes of a picture at several sizes.

At a small working size a network sees what a thing is; at a large one it sees where it
ends. The mean over sizes has fewer blotches than the prediction at any one of them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from colorjax import images
from colorjax.inference.distribution import Distribution
from colorjax.inference.interpolation import interpolate
from colorjax.inference.softmax import log_softmax


def average(parts: Sequence[Distribution]) -> Distribution:
    """The mean of the distributions of one picture, at the largest working size.

    It is the mean of the log-probabilities. Those of the other sizes are interpolated
    at the place of each pixel in the picture. Without logits it is the mean of ab.
    """
    if len(parts) == 1:
        return parts[0]
    largest = max(parts, key=lambda part: part.ab.size)
    if largest.logits is None:
        colors = [_resized_ab(part, largest.ab.shape[:2]) for part in parts]
        return replace(largest, ab=np.mean(colors, axis=0))
    logits = np.zeros_like(largest.logits)
    for part in parts:
        logits += _log_probabilities(part, largest) / np.float32(len(parts))
    merged = replace(largest, logits=logits)
    return replace(merged, ab=merged.decode(merged.temperature))


def _resized_ab(part: Distribution, size: tuple[int, int]) -> np.ndarray:
    """ab at another working size."""
    planes = (images.resize(plane, size) for plane in np.moveaxis(part.ab, 2, 0))
    return np.stack(list(planes), axis=-1)


def _log_probabilities(part: Distribution, target: Distribution) -> np.ndarray:
    """The log-probabilities of `part` on the grid of the logits of `target`."""
    values = log_softmax(part.require_logits())
    if part is target:
        return values
    grids = target.require_logits().shape[:2]
    places = []
    for count, ours, theirs in zip(grids, part.ab.shape, target.ab.shape, strict=False):
        pixels = np.arange(count) * target.stride  # of the target, at working size
        places.append(((pixels + 0.5) * ours / theirs - 0.5) / part.stride)
    return interpolate(values, places)
