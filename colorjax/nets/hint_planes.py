"""Hints at the resolution of features: `hint_planes`."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import shrink
from colorjax.nets.siggraph17 import AB_UNIT

TINY = 1e-6


def hint_planes(
    local: Float[Array, "b h w 3"], stride: int
) -> Float[Array, "b h2 w2 3"]:
    """The mean ab of the hints in each square of `stride` pixels, and 1 where there are
    any; zeros elsewhere.

    ab is in units of `AB_UNIT`. `local` is that of `colorjax.hints.Hints`. Squares may
    reach beyond the image.
    """
    height, width = local.shape[1:3]
    missing = (
        -(-height // stride) * stride - height,
        -(-width // stride) * stride - width,
    )
    weight = local[..., 2:]
    planes = jnp.concatenate([weight * local[..., :2] / AB_UNIT, weight], axis=-1)
    padded = jnp.pad(planes, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    sums = shrink(padded, stride) * stride**2
    ab = sums[..., :2] / jnp.maximum(sums[..., 2:], TINY)
    return jnp.concatenate([ab, jnp.minimum(sums[..., 2:], 1)], axis=-1)


def whole_plane(planes: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """The mean of the hints of the whole image at all places."""
    weight = planes[..., 2:]
    sums = jnp.concatenate([weight * planes[..., :2], weight], axis=-1)
    sums = sums.sum((1, 2), keepdims=True)
    ab = sums[..., :2] / jnp.maximum(sums[..., 2:], TINY)
    means = jnp.concatenate([ab, jnp.minimum(sums[..., 2:], 1)], axis=-1)
    return jnp.broadcast_to(means, planes.shape)
