"""The generator of pix2pix: `UNet`.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017, appendix 6.1.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import TransposedConv, plain_conv
from colorjax.nets.norm import normalize

WIDEST = 8  # channels of the deepest layers, as a multiple of the first layer's
DROPPED = 3  # number of layers with dropout, after the innermost one


class UNet(nn.Module):
    """An image to an image through `depth` halvings and as many doublings.

    Each 4x4 layer on the way up also gets the output of the layer of its size on the
    way down. `width` multiplies every channel count (64, 128, 256, then 512). `norm` is
    "instance", "batch" or "none". `dropout`, in the layers after the innermost one, is
    the noise. Outputs lie in [-1, 1].
    """

    outputs: int
    width: float = 1.0
    depth: int = 8
    norm: str = "instance"
    dropout: float = 0.5
    dtype: jnp.dtype = jnp.dtype("float32")

    @property
    def stride(self) -> int:
        """Height and width of an input, in pixels, are multiples of this."""
        return 2**self.depth

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], train: bool = False
    ) -> Float[Array, "b h w outputs"]:
        """`train` uses the statistics of the batch and needs the key "dropout"."""
        channels = [
            round(64 * self.width * min(2**i, WIDEST)) for i in range(self.depth)
        ]
        drop = nn.Dropout(self.dropout, deterministic=not train)
        x = x.astype(self.dtype)
        skips = []
        for i, features in enumerate(channels):
            # The first layer sees the image as it is; one pixel cannot be normalized.
            plain = i in (0, self.depth - 1) or self.norm == "none"
            x = nn.leaky_relu(x, 0.2) if i else x
            conv = plain_conv(
                features, 4, 2, 1, use_bias=plain, dtype=self.dtype, name=f"down{i + 1}"
            )
            x = conv(x)
            x = x if plain else normalize(x, self.norm, train, f"down_norm{i + 1}")
            skips.append(x)
        skips.pop()
        for i in reversed(range(1, self.depth)):
            plain = self.norm == "none"
            up = TransposedConv(channels[i - 1], use_bias=plain, name=f"up{i + 1}")
            x = normalize(up(nn.relu(x)), self.norm, train, f"up_norm{i + 1}")
            if i >= self.depth - DROPPED:
                x = drop(x)
            x = jnp.concatenate([skips.pop(), x], axis=-1)
        return jnp.tanh(TransposedConv(self.outputs, name="up1")(nn.relu(x)))
