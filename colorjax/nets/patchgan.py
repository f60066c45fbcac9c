"""The discriminator of pix2pix and CycleGAN: `PatchGAN`.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017, appendix 6.1.2.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import plain_conv
from colorjax.nets.normalization import normalize, spectral


class PatchGAN(nn.Module):
    """An image to a logit for each of its overlapping patches: whether it is real.

    There are `layers` 4x4 convolutions of stride 2 and two more of stride 1. With 1, 2,
    3, 4 or 5 layers a patch has 16, 34, 70, 142 or 286 pixels. `width` multiplies every
    channel count. With `spectral` the kernels are divided by their largest singular
    value (Miyato et al., ICLR 2018) instead of `norm`; the vectors of the power
    iteration are in the collection "batch_stats".
    """

    width: float = 1.0
    layers: int = 3
    norm: str = "instance"
    spectral: bool = False
    dtype: jnp.dtype = jnp.dtype("float32")

    @property
    def smallest(self) -> int:
        """Height and width of an input, in pixels, are at least this."""
        return 3 * 2**self.layers

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], train: bool = False
    ) -> Float[Array, "b h2 w2 1"]:
        """`train` uses statistics of the batch and updates the vectors."""
        norm = "none" if self.spectral else self.norm

        def conv(x, features, stride, name, bias):
            layer = plain_conv(
                features, 4, stride, 1, use_bias=bias, dtype=self.dtype, name=name
            )
            return spectral(layer, x, train) if self.spectral else layer(x)

        x = x.astype(self.dtype)
        for i in range(self.layers + 1):
            features = round(64 * self.width * min(2**i, 8))
            plain = i == 0 or norm == "none"  # the first layer sees colors as they are
            stride = 2 if i < self.layers else 1
            x = conv(x, features, stride, f"conv{i + 1}", plain)
            x = x if plain else normalize(x, norm, train, f"norm{i + 1}")
            x = nn.leaky_relu(x, 0.2)
        return conv(x, 1, 1, "head", True)
