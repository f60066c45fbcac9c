"""The network of "Real-Time User-Guided Image Colorization": `Siggraph17`.

Source: Zhang, Zhu, Isola, Geng, Lin, Yu, Efros, SIGGRAPH 2017, figure 2, and the
released models. Blocks 1 to 7 are those of `VGGDilated`, but the resolution is halved
after the BatchNorm, by taking every second pixel. Three transposed convolutions lead
back to the full resolution. To the output of each, a convolution of the features at
that resolution is added.
"""

from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import Conv, dilated_conv, transposed_conv
from colorjax.nets.normalization import BatchNorm
from colorjax.nets.vgg_dilated import BLOCKS
from colorjax.quantize import Q

AB_UNIT = 110.0  # ab units that are 1 in the net's input
NEGATIVE = 0.2  # slope of the last ReLU below 0
GLOBE_BLOCK = 4  # to whose output the features of the histogram are added
GLOBE_LAYERS = 4
COLUMN = 384  # channels of the head that sees several blocks
HALF = 0.5  # a hint with a smaller weight is ignored
Features = Float[Array, "b _ _ _"]


class Siggraph17(nn.Module):
    """L and hints to ab at full resolution, and to logits over the bins at a quarter.

    34.13 M parameters. `width` multiplies every channel count. `globe` adds layers for
    the histogram (0.96 M). The head for the logits sees block 8 ("plain", as in the
    authors' PyTorch code) or blocks 3 to 8 ("column", as in the paper); without one
    ("none") there are no logits. `mask_center` is subtracted from the channel that says
    where hints are. An output of 1 is `unit` ab units. `trunk` says which of ab and
    logits trains the layers that both need.
    """

    width: float = 1.0
    globe: bool = False
    head: Literal["plain", "column", "none"] = "plain"
    mask_center: float = 0.0
    unit: float = AB_UNIT
    trunk: Literal["regression", "classes"] = "regression"
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self,
        lightness: Float[Array, "b h w 1"],
        local: Float[Array, "b h w 3"],
        globe: Float[Array, "b 314"],
        train: bool = False,
    ) -> tuple[Float[Array, "b h w 2"], Float[Array, "b h/4 w/4 313"] | None]:
        """L of Lab in [0, 100], and hints as in `colorjax.hints.Hints`.

        Height and width are multiples of 8. `train` uses the statistics of the batch.
        """
        mask = (local[..., 2:] > HALF).astype(jnp.float32)
        planes = (lightness - 50) / 100, mask * local[..., :2] / AB_UNIT
        x = jnp.concatenate([*planes, mask - self.mask_center], axis=-1)
        x, features = x.astype(self.dtype), {}
        for number, (channels, depth, stride, dilation) in enumerate(BLOCKS, start=1):
            for layer in range(1, depth + 1):
                name = f"conv{number}_{layer}"
                x = nn.relu(self._conv(x, channels, name, dilation=dilation))
            x = features[number] = BatchNorm(name=f"norm{number}")(x, train)
            if stride == 2:
                x = x[:, ::2, ::2]
            if number == GLOBE_BLOCK and self.globe:
                x += self._overall(globe.astype(self.dtype), train)
        x = nn.relu(self._doubled(8, x, features[3], 256))
        x = nn.relu(self._conv(x, 256, "conv8_2"))
        x = nn.relu(self._conv(x, 256, "conv8_3"))
        x = features[8] = BatchNorm(name="norm8")(x, train)
        stopped = jax.lax.stop_gradient(features)
        logits = self._logits(features if self.trunk == "classes" else stopped)
        if self.trunk == "classes":
            x, features = stopped[8], stopped
        x = nn.relu(self._doubled(9, x, features[2], 128))
        x = nn.relu(self._conv(x, 128, "conv9_2"))
        x = BatchNorm(name="norm9")(x, train)
        x = nn.relu(self._doubled(10, x, features[1], 128))
        x = nn.leaky_relu(self._conv(x, 128, "conv10_2"), NEGATIVE)
        ab = Conv((1, 1, x.shape[-1], 2), scale=0.05, name="out")(x)
        ab = self.unit * jnp.tanh(ab.astype(jnp.float32))
        return ab, logits

    def _logits(self, features: dict[int, Features]) -> Features | None:
        """The logits over the bins, in float32."""
        if self.head == "none":
            return None
        x = features[8]
        if self.head == "column":
            x = self._conv(x, COLUMN, "column8")
            x += self._conv(features[3], COLUMN, "column3")
            for number in range(4, 8):
                x += self._up(features[number], COLUMN, f"column{number}")
            x = nn.relu(x)
        x = Conv((1, 1, x.shape[-1], Q), scale=0.1, name="head")(x)
        return x.astype(jnp.float32)

    def _conv(self, x: Features, channels, name, size=3, dilation=1) -> Features:
        shape = (size, size, x.shape[-1], round(channels * self.width))
        convolve = partial(dilated_conv, dilation=dilation)
        return Conv(shape, convolve, name=name)(x)

    def _up(self, x: Features, channels, name) -> Features:
        shape = (4, 4, x.shape[-1], round(channels * self.width))
        return Conv(shape, transposed_conv, name=name)(x)

    def _doubled(self, number, x: Features, skip: Features, channels) -> Features:
        """x at twice the resolution, plus a convolution of a block's output there."""
        x = self._up(x, channels, f"conv{number}_1")
        return x + self._conv(skip, channels, f"short{number}")

    def _overall(self, globe: Float[Array, "b 314"], train) -> Features:
        """The features of the histogram, which are the same at all places."""
        x = globe[:, None, None]
        for layer in range(1, GLOBE_LAYERS + 1):
            x = nn.relu(self._conv(x, BLOCKS[3][0], f"globe{layer}", size=1))
            x = BatchNorm(name=f"globe_norm{layer}")(x, train)
        return x
