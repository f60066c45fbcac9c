"""A small denoiser for small machines: `PatchTransformer`.

Its work is matrix products, which a CPU does several times as fast as convolutions.

Sources: Peebles and Xie, "Scalable Diffusion Models with Transformers" (DiT), ICCV
2023, for blocks that the noise level scales, shifts and gates; Su et al., "RoFormer",
2021, for rotary positions, here one half of a head's channels for rows and one half for
columns.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.cross_attention import Conditions, CrossAttention, GlobeVector
from colorjax.nets.layers import depth_to_space, space_to_depth
from colorjax.nets.noise_level import NoiseLevel
from colorjax.nets.winograd import Convolution

CHANNELS = 384  # at full width, those of DiT-S
HEAD = 32  # channels of an attention head
FREQUENCIES = (0.05, 2.0)  # radians per patch, the least and the largest


def rotate(x: Float[Array, "b h w n c"]) -> Float[Array, "b h w n c"]:
    """Rotate pairs of channels by angles that are proportional to row and column.

    The product of two rotated vectors depends on the distance of their places, not on
    the places.
    """
    height, width, channels = x.shape[1], x.shape[2], x.shape[-1]
    frequencies = jnp.geomspace(*FREQUENCIES, channels // 4)
    rows = jnp.arange(height)[:, None, None, None] * frequencies
    columns = jnp.arange(width)[None, :, None, None] * frequencies
    shape = (height, width, 1, len(frequencies))
    angles = jnp.concatenate(
        [jnp.broadcast_to(rows, shape), jnp.broadcast_to(columns, shape)], axis=-1
    )
    cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate(
        [first * cos - second * sin, first * sin + second * cos], axis=-1
    )


class Block(nn.Module):
    """Attention, then two layers for each patch; the noise level modulates both."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], level: Float[Array, "b e"]
    ) -> Float[Array, "b h w c"]:
        channels = x.shape[-1]

        def dense(count, name, **options):
            return nn.Dense(count, dtype=self.dtype, name=name, **options)

        zeros = nn.initializers.zeros
        modulation = nn.Dense(6 * channels, kernel_init=zeros, name="level")(level)
        modulation = modulation[:, None, None].astype(self.dtype)
        scale1, shift1, gate1, scale2, shift2, gate2 = jnp.split(modulation, 6, -1)

        def norm(name):
            return nn.RMSNorm(use_scale=False, dtype=self.dtype, name=name)

        y = norm("norm1")(x) * (1 + scale1) + shift1
        heads = max(1, channels // HEAD)
        query, key, value = (
            z.reshape(*x.shape[:3], heads, channels // heads)
            for z in jnp.split(dense(3 * channels, "qkv")(y), 3, axis=-1)
        )
        query, key, value = (
            z.reshape(z.shape[0], -1, *z.shape[3:])
            for z in (rotate(norm("query")(query)), rotate(norm("key")(key)), value)
        )
        y = jax.nn.dot_product_attention(query, key, value).reshape(x.shape)
        x = x + gate1 * dense(channels, "out")(y)
        y = norm("norm2")(x) * (1 + scale2) + shift2
        y = dense(channels, "narrow")(nn.gelu(dense(4 * channels, "wide")(y)))
        return x + gate2 * y


class PatchTransformer(nn.Module):
    """A noisy image and its condition, joined as channels, to `outputs` channels.

    A token is a patch of `patch` x `patch` pixels. `width` multiplies `CHANNELS`.
    There are `depth` blocks. The first and the last layer also see the neighbors of a
    patch.
    """

    outputs: int
    width: float = 1.0
    depth: int = 12
    patch: int = 2
    dtype: jnp.dtype = jnp.dtype("float32")

    @property
    def stride(self) -> int:
        """Height and width of an input, in pixels, are multiples of this."""
        return self.patch

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w i"],
        log_sigma: Float[Array, "b"],
        train: bool = False,
        conditions: Conditions | None = None,
    ) -> Float[Array, "b h w outputs"]:
        """`log_sigma` is ln of the noise level. `train` changes nothing.

        With `conditions`, every block attends to their text.
        """
        del train
        channels, patch = round(CHANNELS * self.width), self.patch
        level = NoiseLevel(2 * channels, name="level")(log_sigma)
        if conditions is not None:
            level += GlobeVector(2 * channels, name="globe")(conditions.globe)
        level = nn.silu(level)
        x = space_to_depth(x.astype(self.dtype), patch)
        x = nn.Conv(
            channels,
            (3, 3),
            dtype=self.dtype,
            name="first",
            conv_general_dilated_cls=Convolution,
        )(x)
        for number in range(self.depth):
            x = Block(self.dtype, name=f"block{number}")(x, level)
            if conditions is not None:
                attend = CrossAttention(self.dtype, name=f"text{number}")
                x = attend(x, conditions.text)
        scale, shift = jnp.split(
            nn.Dense(2 * channels, name="last_level")(level)[:, None, None], 2, axis=-1
        )
        x = nn.RMSNorm(use_scale=False, dtype=self.dtype, name="norm")(x)
        x = x * (1 + scale.astype(x.dtype)) + shift.astype(x.dtype)
        zeros, count = nn.initializers.zeros, patch * patch * self.outputs
        x = nn.Conv(count, (3, 3), kernel_init=zeros, dtype=self.dtype, name="last")(x)
        return depth_to_space(x, patch)
