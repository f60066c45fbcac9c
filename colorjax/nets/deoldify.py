"""DeOldify: a U-Net with a classifier's features: `DeOldify`.

Source: Antic, github.com/jantic/DeOldify, which has no paper: the U-Net of fastai with
spectral normalization and self-attention. "deep" is the artistic net, "wide" the stable
one and the one for video. Published weights are divided by their largest singular value
already.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.color import rgb_to_lab
from colorjax.nets.ddcolor import MEAN, STD, grey_rgb
from colorjax.nets.layers import to_stride
from colorjax.nets.normalization import BatchNorm
from colorjax.nets.resnet_features import ResNetFeatures
from colorjax.nets.unet_blocks import (
    UNetBlock,
    blur,
    conv,
    conv_relu_norm,
    shuffle,
    squares,
)

LAYERS = {"deep": 34, "wide": 101}  # of the encoder, by form
DEEPER = 1.5  # outputs of a block of the deep form per channel of its input
WIDE = 512  # channels of a block of the wide form; its last one has half as many
ATTENTION = 1  # the block with self-attention
BOUND = 3.0  # of the outputs, in standard deviations of RGB in ImageNet


class DeOldify(nn.Module):
    """L to ab, of an image that the net computes in RGB.

    `form` is "deep" or "wide". `width` multiplies every channel count.
    """

    form: str = "deep"
    width: float = 1.0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"], train: bool = False
    ) -> Float[Array, "b h w 2"]:
        """`lightness` is L of Lab in [0, 100]; the output has ab units.

        `train` uses the statistics of the batch.
        """
        height, width = lightness.shape[1:3]
        grey = grey_rgb(to_stride(lightness, 2)).astype(self.dtype)
        encoder = ResNetFeatures(LAYERS[self.form], self.width, name="encoder")
        *skips, x = encoder(grey, train)
        channels = x.shape[-1]
        x = nn.relu(BatchNorm(name="norm")(x, train))
        x = conv_relu_norm(x, 2 * channels, "middle1", train)
        x = conv_relu_norm(x, channels, "middle2", train)
        for number in range(len(skips)):
            skip, last = skips.pop(), not skips
            up, outputs = self.block_channels(x.shape[-1], skip.shape[-1], last)
            attention = number == ATTENTION
            x = UNetBlock(up, outputs, attention, name=f"up{number}")(x, skip, train)
        x = blur(shuffle(squares(x, x.shape[-1], 2, "shuffle", train), 2))
        x = jnp.concatenate([x, grey], axis=-1)
        y = x
        for name in ("cross1", "cross2"):
            y = nn.relu(conv(y, x.shape[-1], 3, name, train))
        x = conv(x + y, 3, 1, "head", train).astype(jnp.float32)
        x = BOUND * (2 * jax.nn.sigmoid(x) - 1)
        rgb = jnp.clip(x * jnp.array(STD) + jnp.array(MEAN), 0, 1)
        return rgb_to_lab(rgb)[:, :height, :width, 1:]

    def block_channels(
        self, inputs: int, skip: int, last: bool
    ) -> tuple[int, tuple[int, ...]]:
        """The channels of a block on the way up: after it enlarges, and its outputs."""
        if self.form == "deep":
            both = inputs // 2 + skip
            outputs = int((both // 2 if last else both) * DEEPER)
            return inputs // 2, (outputs, outputs)
        outputs = round(WIDE * self.width) // (2 if last else 1)
        return outputs, (outputs,)
