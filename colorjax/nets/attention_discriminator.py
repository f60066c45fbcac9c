"""The discriminator of DDColor: `AttentionDiscriminator`.

It is that of DeOldify, whose authors call it a U-Net although it has no way up.

Source: the layers in github.com/piddnad/DDColor and github.com/jantic/DeOldify.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.normalization import spectral
from colorjax.nets.unet_blocks import HE, SelfAttention


class AttentionDiscriminator(nn.Module):
    """An image to a logit for each of its overlapping patches: whether it is real.

    There are `blocks` + 1 convolutions of stride 2; self-attention follows the second.
    All have spectral normalization. `width` multiplies every channel count.
    """

    width: float = 1.0
    blocks: int = 3
    dtype: jnp.dtype = jnp.dtype("float32")

    @property
    def smallest(self) -> int:
        """Height and width of an input, in pixels, are at least this."""
        return 4 * 2 ** (self.blocks + 1)

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w 3"], train: bool = False
    ) -> Float[Array, "b h2 w2 1"]:
        """`x` is sRGB in [0, 1]; `train` updates the vectors of the power iteration."""

        def conv(x, channels, size, stride, name):
            last = name == "head"
            layer = nn.Conv(
                channels,
                (size, size),
                stride,
                padding=0 if last else (size - 1) // 2,
                use_bias=not last,
                dtype=self.dtype,
                kernel_init=HE,
                name=name,
            )
            x = spectral(layer, x, train)
            return x if last else nn.relu(x)

        channels = round(64 * self.width)
        x = conv(x.astype(self.dtype), channels, 4, 2, "down0")
        for number in range(1, self.blocks + 1):
            x = conv(x, channels, 3, 1, f"conv{number}")
            channels *= 2
            x = conv(x, channels, 4, 2, f"down{number}")
            if number == 1:
                x = SelfAttention(spectral_norm=True, name="attention")(x, train)
        x = conv(x, channels, 3, 1, "last")
        return conv(x, 1, 4, 1, "head")
