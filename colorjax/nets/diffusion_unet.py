"""The U-Net of Palette: `DiffusionUNet`.

Source: Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis" (ADM),
NeurIPS 2021, for 256 pixels and without classes; Saharia et al., "Palette", SIGGRAPH
2022, section 3.
"""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.cross_attention import Conditions, CrossAttention, GlobeVector
from colorjax.nets.layers import shrink
from colorjax.nets.noise_level import NoiseLevel
from colorjax.nets.winograd import Convolution

CHANNELS = 256  # of the finest level at full width
HEAD = 64  # channels of an attention head
GROUPS = 32  # of channels that are normalized together
LECUN, ZEROS = nn.initializers.lecun_normal(), nn.initializers.zeros


def group_norm(channels: int, name: str) -> nn.GroupNorm:
    """Normalization of `GROUPS` groups, or of fewer that divide the channels."""
    return nn.GroupNorm(math.gcd(GROUPS, channels), epsilon=1e-5, name=name)


def conv(
    channels: int,
    name: str,
    dtype: jnp.dtype,
    size: int = 3,
    init: nn.initializers.Initializer = LECUN,
) -> nn.Conv:
    """A convolution that keeps height and width."""
    return nn.Conv(
        channels,
        (size, size),
        padding=size // 2,
        kernel_init=init,
        dtype=dtype,
        name=name,
        conv_general_dilated_cls=Convolution,
    )


def resample(x: Float[Array, "b h w c"], change: str) -> Float[Array, "b h2 w2 c"]:
    """Half the size by means of 2x2, "down", or twice the size by copies, "up"."""
    if change == "down":
        return shrink(x, 2)
    if change == "up":
        return x.repeat(2, axis=1).repeat(2, axis=2)
    return x


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions; the noise level scales and shifts what is between them.

    `change` is "down", "up" or "": the block halves or doubles the size.
    """

    channels: int
    change: str
    dropout: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], level: Float[Array, "b e"], train: bool
    ) -> Float[Array, "b h2 w2 channels"]:
        y = nn.silu(group_norm(x.shape[-1], "norm1")(x))
        x, y = resample(x, self.change), resample(y, self.change)
        y = conv(self.channels, "conv1", self.dtype)(y)
        y = group_norm(self.channels, "norm2")(y)
        both = nn.Dense(2 * self.channels, name="level")(nn.silu(level))
        scale, shift = jnp.split(both[:, None, None].astype(y.dtype), 2, axis=-1)
        y = nn.silu(y * (1 + scale) + shift)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = conv(self.channels, "conv2", self.dtype, init=ZEROS)(y)
        if x.shape[-1] != self.channels:
            x = conv(self.channels, "skip", self.dtype, size=1)(x)
        return x + y


class Attention(nn.Module):
    """Every place attends to all places, with heads of `HEAD` channels."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        batch, height, width, channels = x.shape
        heads = max(1, channels // HEAD)
        y = group_norm(channels, "norm")(x)
        y = nn.Dense(3 * channels, dtype=self.dtype, name="qkv")(y)
        y = y.reshape(batch, height, width, 3, heads, channels // heads)
        # `collapse` and `lax.reshape` also know symbolic sizes, for `colorjax export`.
        query, key, value = jnp.moveaxis(jax.lax.collapse(y, 1, 3), 2, 0)
        y = jax.nn.dot_product_attention(query, key, value)
        y = jax.lax.reshape(y, x.shape)
        y = nn.Dense(channels, kernel_init=ZEROS, dtype=self.dtype, name="out")(y)
        return x + y


class DiffusionUNet(nn.Module):
    """A noisy image and its condition, joined as channels, to `outputs` channels.

    `width` multiplies `CHANNELS`, those of the finest level. Each further level has
    half the size, and its own number of `multipliers`. Each level has `blocks` residual
    blocks on the way down and one more on the way up. `attention` names the levels that
    attend, by how many pixels of the input one of theirs is. `dropout` is inside the
    residual blocks. With `remat`, a gradient computes the inside of blocks again.

    With the defaults it has 552.7 M parameters.
    """

    outputs: int
    width: float = 1.0
    multipliers: Sequence[int] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    attention: Sequence[int] = (8, 16, 32)
    dropout: float = 0.0
    remat: bool = False
    dtype: jnp.dtype = jnp.dtype("float32")

    @property
    def stride(self) -> int:
        """Height and width of an input, in pixels, are multiples of this."""
        return 2 ** (len(self.multipliers) - 1)

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w i"],
        log_sigma: Float[Array, "b"],
        train: bool = False,
        conditions: Conditions | None = None,
    ) -> Float[Array, "b h w outputs"]:
        """`log_sigma` is ln of the noise level. With `train`, dropout needs the key
        "dropout".

        With `conditions`, every block that attends to its places attends to their text,
        too.
        """
        base = round(CHANNELS * self.width)
        channels = [base * multiplier for multiplier in self.multipliers]
        level = NoiseLevel(4 * base, name="level")(log_sigma)
        if conditions is not None:
            level += GlobeVector(4 * base, name="globe")(conditions.globe)
        residual = ResidualBlock
        if self.remat:
            residual = nn.remat(ResidualBlock, static_argnums=3)

        def block(x, depth, name, change="", attend=False):
            options = (channels[depth], change, self.dropout, self.dtype)
            x = residual(*options, name=name)(x, level, train)
            if attend:
                x = Attention(self.dtype, name=f"{name}_attention")(x)
            if attend and conditions is not None:
                text = CrossAttention(self.dtype, name=f"{name}_text")
                x = text(x, conditions.text)
            return x

        x = conv(base, "first", self.dtype)(x.astype(self.dtype))
        skips, last = [x], len(channels) - 1
        for depth in range(last + 1):
            attend = 2**depth in self.attention
            for number in range(self.blocks):
                x = block(x, depth, f"down{depth}_{number}", attend=attend)
                skips.append(x)
            if depth < last:
                x = block(x, depth, f"down{depth}_half", "down")
                skips.append(x)
        x = block(x, last, "middle0", attend=True)
        x = block(x, last, "middle1")
        for depth in reversed(range(last + 1)):
            attend = 2**depth in self.attention
            for number in range(self.blocks + 1):
                x = jnp.concatenate([x, skips.pop()], axis=-1)
                x = block(x, depth, f"up{depth}_{number}", attend=attend)
            if depth:
                x = block(x, depth, f"up{depth}_double", "up")
        x = nn.silu(group_norm(base, "norm")(x))
        return conv(self.outputs, "last", self.dtype, init=ZEROS)(x)
