"""Chroma planes beside the unchanged luma of a video frame: `chroma_planes`.

Video stores luma Y' and two color differences, Cb and Cr, often at half the height and
width (ITU-R BT.601, BT.709 and BT.2020 define them from R'G'B'). Only the differences
are computed, so luma stays the same bit for bit. Among all colors with the predicted
ab, the one with the frame's luma is chosen. Its L differs slightly from the grey
frame's, because luma is a sum of gamma-coded light.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8, UInt16

from colorjax.color import lab_to_rgb, rgb_to_lab
from colorjax.inference.upsample import Upsampler

Luma = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]
Plane = UInt8[np.ndarray, "h2 w2"] | UInt16[np.ndarray, "h2 w2"]
Planes = tuple[Plane, Plane]


class ColorCoding(NamedTuple):
    """How integer levels code Y'CbCr.

    `weights` are the weights of red and blue in luma (green has the rest), `depth` is
    in bits. With `full_range`, black and white are the first and last level.
    """

    weights: tuple[float, float]
    depth: int = 8
    full_range: bool = False

    @property
    def black_white(self) -> tuple[int, int]:
        """The luma levels of black and white."""
        unit = 1 << self.depth - 8
        return (0, (256 * unit) - 1) if self.full_range else (16 * unit, 235 * unit)

    def to_grey(self, luma: Luma) -> Float[np.ndarray, "h w"]:
        """Luma levels as grey values, 0 to 1."""
        black, white = self.black_white
        return ((luma.astype(np.float32) - black) / (white - black)).clip(0, 1)

    def to_luma(self, grey: Float[np.ndarray, "h w"]) -> Luma:
        """Grey values as the nearest luma levels."""
        black, white = self.black_white
        levels = np.round(black + grey * np.float32(white - black))
        dtype = np.uint8 if self.depth == 8 else np.uint16
        return levels.clip(0, (1 << self.depth) - 1).astype(dtype)


def chroma_planes(
    luma: Luma, upsampler: Upsampler, coding: ColorCoding, subsampled: bool
) -> Planes:
    """The Cb and Cr planes that give a frame the colors of `upsampler`.

    With `subsampled` they have half the height and width of `luma`, which must be even.
    Colors that R'G'B' cannot show at this luma lose chroma.
    """
    grey = coding.to_grey(luma)
    if subsampled:
        grey = grey.reshape(len(grey) // 2, 2, -1, 2).mean((1, 3))
    planes = upsampler.planes(grey.shape)
    differences = np.asarray(_differences(grey, planes, coding.weights))
    black, white = coding.black_white
    # The differences are -1/2 to 1/2; limited range gives them 224 of 256 levels.
    scale = white - black if coding.full_range else (white - black) * 224 / 219
    levels = np.round(differences * scale) + (1 << coding.depth - 1)
    dtype = np.uint8 if coding.depth == 8 else np.uint16
    cb, cr = np.moveaxis(levels.clip(0, (1 << coding.depth) - 1).astype(dtype), -1, 0)
    return cb, cr


@functools.partial(jax.jit, static_argnums=2)
def _differences(
    grey: Float[Array, "h w"],
    planes: Float[Array, "h w 5"],
    weights: tuple[float, float],
) -> Float[Array, "h w 2"]:
    """Cb and Cr, -1/2 to 1/2, of the colors with luma `grey`."""
    red, blue = weights

    def luma(rgb):
        return red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]

    def lightness(level):
        return rgb_to_lab(jnp.stack([level] * 3, -1))[..., :1]

    target = lightness(grey)
    ab, gain, coarse = jnp.split(planes, (2, 4), axis=-1)
    ab += gain * (target - coarse)
    rgb = lab_to_rgb(jnp.concatenate([target, ab], -1))
    # One step toward the L with this luma leaves a mean error of 0.07 in ab.
    light = jnp.clip(2 * target - lightness(luma(rgb)), 0, 100)
    rgb = lab_to_rgb(jnp.concatenate([light, ab], -1))
    difference = rgb - luma(rgb)[..., None]
    room = jnp.where(difference > 0, 1 - grey[..., None], grey[..., None])
    share = jnp.min(room / jnp.maximum(jnp.abs(difference), 1e-6), axis=-1)
    difference *= jnp.minimum(share, 1)[..., None]
    return jnp.stack(
        [
            difference[..., 2] / (2 * (1 - blue)),
            difference[..., 0] / (2 * (1 - red)),
        ],
        -1,
    )
