"""ab at a fraction of the resolution, joined with L at its own: `join_edges`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import shrink, to_stride

EPSILON = 200.0  # that of `inference.upsample`, whose formula this is


def join_edges(
    ab: Float[Array, "b h2 w2 2"], lightness: Float[Array, "b h w 1"], stride: int
) -> Float[Array, "b h w 2"]:
    """ab at 1 / `stride` of the resolution of L, upsampled along the edges of L.

    The border of L is repeated to whole squares of `stride` pixels.

    `inference.upsample` explains the formula.
    """
    if stride == 1:
        return ab
    batch, height, width, _ = lightness.shape
    coarse = shrink(to_stride(lightness, stride), stride)
    mean, mean_ab = _mean(coarse), _mean(ab)
    variance = _mean(coarse**2) - mean**2
    gain = (_mean(coarse * ab) - mean * mean_ab) / (variance + EPSILON)
    planes = jnp.concatenate([ab, _mean(gain), coarse], axis=-1)
    rows, columns = (stride * length for length in ab.shape[1:3])
    planes = jax.image.resize(planes, (batch, rows, columns, 5), "linear")
    planes = planes[:, :height, :width]
    return planes[..., :2] + planes[..., 2:4] * (lightness - planes[..., 4:])


def _mean(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The mean over 3x3 samples; the border is repeated outward."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    x = x[:, :height] + x[:, 1:-1] + x[:, 2:]
    return (x[:, :, :width] + x[:, :, 1:-1] + x[:, :, 2:]) / 9
