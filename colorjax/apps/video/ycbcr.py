"""Colours beside the luma of a film's picture, which stays as it is: `chroma_planes`.

Video has luma Y' and two colour differences, Cb and Cr, often at half the height and
width (ITU-R BT.601, BT.709 and BT.2020 say how R'G'B' make them). Only the differences
are made here, so that luma is kept bit for bit, and grey viewing is as before. Of all
colours with the wanted ab the one with the luma of the picture is taken; its L departs
from the grey picture's by what luma, a sum of gamma-coded light, departs from it.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8, UInt16

from colorjax.color import lab_to_rgb, rgb_to_lab
from colorjax.inference.upsample import Guide

Luma = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]
Plane = UInt8[np.ndarray, "h2 w2"] | UInt16[np.ndarray, "h2 w2"]
Planes = tuple[Plane, Plane]


class Coding(NamedTuple):
    """How levels code light: `weights` of red and blue in luma (green has the rest),
    `depth` in bits, and whether the levels are used in full."""

    weights: tuple[float, float]
    depth: int = 8
    full: bool = False

    @property
    def black_white(self) -> tuple[int, int]:
        """The levels of black and white."""
        unit = 1 << self.depth - 8
        return (0, (256 * unit) - 1) if self.full else (16 * unit, 235 * unit)

    def grey(self, luma: Luma) -> Float[np.ndarray, "h w"]:
        """Luma as a grey level, 0 to 1."""
        black, white = self.black_white
        return ((luma.astype(np.float32) - black) / (white - black)).clip(0, 1)


def chroma_planes(luma: Luma, guide: Guide, coding: Coding, halved: bool) -> Planes:
    """Cb and Cr for a picture with the colours that `guide` has for it.

    `halved` makes them of half the height and width, which are even then. Colours that
    R'G'B' cannot show at this luma lose chroma.
    """
    grey = coding.grey(luma)
    if halved:
        grey = grey.reshape(len(grey) // 2, 2, -1, 2).mean((1, 3))
    planes = guide.planes(grey.shape)
    differences = np.asarray(_differences(grey, planes, coding.weights))
    black, white = coding.black_white
    # The differences are -1/2 to 1/2; in narrow range they use 224 levels of 256.
    scale = white - black if coding.full else (white - black) * 224 / 219
    levels = np.round(differences * scale) + (1 << coding.depth - 1)
    kind = np.uint8 if coding.depth == 8 else np.uint16
    cb, cr = np.moveaxis(levels.clip(0, (1 << coding.depth) - 1).astype(kind), -1, 0)
    return cb, cr


@functools.partial(jax.jit, static_argnums=2)
def _differences(
    grey: Float[Array, "h w"],
    planes: Float[Array, "h w 5"],
    weights: tuple[float, float],
) -> Float[Array, "h w 2"]:
    """Cb and Cr, -1/2 to 1/2, of the colours with the luma `grey`."""
    red, blue = weights

    def luma(rgb):
        return red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]

    def lightness(level):
        return rgb_to_lab(jnp.stack([level] * 3, -1))[..., :1]

    wanted = lightness(grey)
    ab, gain, coarse = jnp.split(planes, (2, 4), axis=-1)
    ab += gain * (wanted - coarse)
    rgb = lab_to_rgb(jnp.concatenate([wanted, ab], -1))
    # One step towards the L with this luma leaves 0.07 of ab, on average, to be wished.
    light = jnp.clip(2 * wanted - lightness(luma(rgb)), 0, 100)
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
