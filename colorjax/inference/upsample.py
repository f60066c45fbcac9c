"""Bringing ab to the size of a picture along the picture's edges: `Guide`.

Bilinear upsampling smears colours over edges that L shows. Near an edge ab changes with
L; so where L at full size departs from L as the coarse grid has it, ab is moved by a
`gain`, the regression of ab on L in 3x3 samples of that grid:

    ab(x) = up(ab)(x) + up(gain)(x) (L(x) - up(L_coarse)(x)),
    gain = cov(L, ab) / (var(L) + EPSILON).

The gain is the coefficient a of the guided filter (He, Sun, Tang, "Guided Image
Filtering", ECCV 2010, eq. 5). Unlike there ab itself is not smoothed: the filter's own
form loses 1 to 3 dB of ab against bilinear upsampling. EPSILON keeps the gain small
where L says little; with 200 none of five photographs lost (docs/notes/performance.md).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from colorjax.images import resize

EPSILON = 200.0  # in square units of L: edges of less than 14 units move ab little
COARSE = 4  # working pixels a sample of the coarse grid: the resolution of ab
PLANES = 5  # two of ab, two of the gain, one of L


class Guide(NamedTuple):
    """What ab at full size is made from, given L at full size."""

    ab: Float[np.ndarray, "h w 2"]
    gain: Float[np.ndarray, "h2 w2 2"]
    lightness: Float[np.ndarray, "h2 w2"]

    def planes(
        self, size: tuple[int, int], part: tuple[int, int, int, int] | None = None
    ) -> Float[np.ndarray, "h3 w3 5"]:
        """ab, gain and coarse L, each bilinear, of a picture of `size` = (height,
        width), or of its rectangle `part` = (top, left, height, width)."""
        planes = [*np.moveaxis(self.ab, 2, 0), *np.moveaxis(self.gain, 2, 0)]
        planes.append(self.lightness)
        return np.stack([resize(plane, size, part) for plane in planes], axis=-1)


def fit(lightness: Float[np.ndarray, "h w"], ab: Float[np.ndarray, "h w 2"]) -> Guide:
    """The guide for a picture, from its L and ab at working size."""
    height, width = lightness.shape
    size = (max(1, round(height / COARSE)), max(1, round(width / COARSE)))
    coarse = resize(lightness, size)
    colors = np.stack([resize(plane, size) for plane in np.moveaxis(ab, 2, 0)], axis=-1)
    light = coarse[..., None]
    mean, mean_ab = _mean(light), _mean(colors)
    variance = _mean(light**2) - mean**2
    gain = (_mean(light * colors) - mean * mean_ab) / (variance + EPSILON)
    return Guide(ab, _mean(gain), coarse)


def _mean(x: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """The mean of every sample and its neighbours; beyond the border the border goes
    on."""
    for axis in (0, 1):
        edges = [(0, 0)] * 3
        edges[axis] = (1, 1)
        padded = np.pad(x, edges, mode="edge")
        taken = [
            np.take(padded, range(i, i + x.shape[axis]), axis=axis) for i in range(3)
        ]
        x = sum(taken) / 3
    return x
