"""Upsampling of ab from working size to the size of the picture, along its edges.

Bilinear upsampling blurs colors across edges that L shows. Near an edge ab changes with
L, so ab is corrected where L at full size differs from the coarse L. The correction is
the difference times a `gain`, the regression of ab on L over 3x3 coarse samples:

    ab(x) = up(ab)(x) + up(gain)(x) (L(x) - up(L_coarse)(x)),
    gain = cov(L, ab) / (var(L) + EPSILON).

The gain is the coefficient a of the guided filter (He, Sun, Tang, "Guided Image
Filtering", ECCV 2010, eq. 5). The guided filter also smooths ab itself, which makes the
PSNR of ab 1 to 3 dB lower than that of bilinear upsampling; here ab is not smoothed.
EPSILON keeps the gain small where L varies little; with 200 the PSNR of none of five
photographs fell (docs/notes/performance.md).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from colorjax.images import resize

EPSILON = 200.0  # in squared units of L: edges of less than 14 units move ab little
COARSE = 4  # working pixels per coarse sample: the resolution of ab
PLANES = 5  # two of ab, two of the gain, one of L


class Upsampler(NamedTuple):
    """What ab at full size is computed from, together with L at full size.

    `ab` is at working size; `gain` and `lightness`, the coarse L, are at coarse size.
    """

    ab: Float[np.ndarray, "h w 2"]
    gain: Float[np.ndarray, "h2 w2 2"]
    lightness: Float[np.ndarray, "h2 w2"]

    def planes(
        self, size: tuple[int, int], part: tuple[int, int, int, int] | None = None
    ) -> Float[np.ndarray, "h3 w3 5"]:
        """ab, gain and coarse L, upsampled bilinearly to `size` = (height, width).

        With `part` = (top, left, height, width), returns only that rectangle.
        """
        planes = [*np.moveaxis(self.ab, 2, 0), *np.moveaxis(self.gain, 2, 0)]
        planes.append(self.lightness)
        return np.stack([resize(plane, size, part) for plane in planes], axis=-1)

    def pinned(self, weight: Float[np.ndarray, "h w"]) -> "Upsampler":
        """The upsampler that leaves ab as it is where a weight is not 0."""
        free = resize(weight, self.lightness.shape) == 0
        return self._replace(gain=self.gain * free[..., None].astype(np.float32))


def fit(
    lightness: Float[np.ndarray, "h w"], ab: Float[np.ndarray, "h w 2"]
) -> Upsampler:
    """The upsampler of a picture, from its L (0 to 100) and ab at working size."""
    height, width = lightness.shape
    size = (max(1, round(height / COARSE)), max(1, round(width / COARSE)))
    coarse = resize(lightness, size)
    colors = np.stack([resize(plane, size) for plane in np.moveaxis(ab, 2, 0)], axis=-1)
    light = coarse[..., None]
    mean, mean_ab = _mean(light), _mean(colors)
    variance = _mean(light**2) - mean**2
    gain = (_mean(light * colors) - mean * mean_ab) / (variance + EPSILON)
    return Upsampler(ab, _mean(gain), coarse)


def _mean(x: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """The mean over 3x3 samples; the border is repeated outward.

    `scipy.ndimage.uniform_filter` rounds its running sum differently: one in a million
    levels of the test pictures changes by 1.
    """
    for axis in (0, 1):
        edges = [(0, 0)] * 3
        edges[axis] = (1, 1)
        padded, length = np.pad(x, edges, mode="edge"), x.shape[axis]
        first, second, third = (
            padded.take(range(i, i + length), axis) for i in range(3)
        )
        x = (first + second + third) / 3
    return x
