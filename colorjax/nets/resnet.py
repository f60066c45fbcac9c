"""The generator of CycleGAN: `ResNet`.

Source: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using
Cycle-Consistent Adversarial Networks", ICCV 2017, appendix 7.2.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import TransposedConv, plain_conv
from colorjax.nets.normalization import instance_norm


class ResNet(nn.Module):
    """An image to an image: two halvings, `blocks` residual blocks, two doublings.

    `width` multiplies every channel count (64, 128, 256). Instance normalization
    follows each layer but the last. Padding mirrors images at their borders. Outputs
    lie in [-1, 1].
    """

    outputs: int
    width: float = 1.0
    blocks: int = 9
    dtype: jnp.dtype = jnp.dtype("float32")

    stride = 4  # pixels: height and width of an input are multiples of it

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], train: bool = False
    ) -> Float[Array, "b h w outputs"]:
        """`train` changes nothing; every net takes it."""
        del train
        options: dict[str, Any] = dict(use_bias=False, dtype=self.dtype)
        one, two, four = (round(64 * self.width * n) for n in (1, 2, 4))

        def mirrored(x, pad):
            return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")

        def block(x, name):
            y = plain_conv(four, 3, name=f"{name}_1", **options)(mirrored(x, 1))
            y = nn.relu(instance_norm(y))
            y = plain_conv(four, 3, name=f"{name}_2", **options)(mirrored(y, 1))
            return x + instance_norm(y)

        x = mirrored(x.astype(self.dtype), 3)
        x = nn.relu(instance_norm(plain_conv(one, 7, name="first", **options)(x)))
        for name, features in (("down1", two), ("down2", four)):
            x = plain_conv(features, 3, 2, 1, name=name, **options)(x)
            x = nn.relu(instance_norm(x))
        for number in range(1, self.blocks + 1):
            x = block(x, f"block{number}")
        for name, features in (("up2", two), ("up1", one)):
            up = TransposedConv(features, 3, use_bias=False, name=name)
            x = nn.relu(instance_norm(up(x)))
        last = plain_conv(self.outputs, 7, dtype=self.dtype, name="last")
        return jnp.tanh(last(mirrored(x, 3)))
