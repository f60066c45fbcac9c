"""A classifier's features made into colours: `EfficientNetColorizer`.

The encoder is EfficientNet-Lite0 (Tan and Le, "EfficientNet", ICML 2019, without
squeeze and excitation and with ReLU6, as Google's release for small devices is) up to
its last block, each BatchNorm folded into the convolution before it. The decoder goes
up again from 1/32 of the resolution to 1/4, joining the features of every scale (Lin et
al., "Feature Pyramid Networks", CVPR 2017). That a classifier's features know the
colours of things is from Larsson et al., "Learning Representations for Automatic
Colorization", ECCV 2016.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import Conv, dilated_conv, upsample

STEM = 32  # channels of the first convolution


class Stage(NamedTuple):
    """`depth` blocks with `channels` outputs, the first with this stride."""

    depth: int
    channels: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)
LEVELS = (1, 2, 4, 6)  # stages whose outputs the decoder joins: 1/4, 1/8, 1/16, 1/32
CHANNELS = 128  # of the decoder


def depthwise_conv(x, kernel, stride=1):
    """A kernel of its own for each channel, as a sum over its taps.

    XLA's grouped convolution takes 10 to 50 times as long on the CPU, forward and back.
    Padded like `dilated_conv`, so that output i lies on input i * stride.
    """
    size, (height, width) = len(kernel), x.shape[1:3]
    pad = (size // 2, size // 2)
    x = jnp.pad(x, ((0, 0), pad, pad, (0, 0)))
    return sum(
        x[:, i : i + height : stride, j : j + width : stride] * kernel[i, j, 0]
        for i in range(size)
        for j in range(size)
    )


class EfficientNetLite(nn.Module):
    """L to the features of the stages of Lite0, without its head.

    Of the stages the first `frozen` are not trained.
    """

    frozen: int = 0

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"]
    ) -> list[Float[Array, "b h2 w2 c"]]:
        """`lightness` is (L - 50) / 50, in place of the grey that the released net
        sees three times as R, G and B: (0 to 255 - 127) / 128, at most .04 off. A stage
        of stride s in total has ceil(h / s) rows of features, the first on row 0.

        (The released net pads the strided convolutions at the far side, as TensorFlow
        does: the same features at other places, (s - 1) pixels further down.)
        """

        def conv(x, channels, name, size=1, stride=1):
            shape = (size, size, x.shape[-1], channels)

            def convolve(x, kernel):
                return dilated_conv(x, kernel, stride)

            return Conv(shape, convolve, name=name)(x)

        def depthwise(x, name, size, stride):
            shape = (size, size, 1, x.shape[-1])

            def convolve(x, kernel):
                return depthwise_conv(x, kernel, stride)

            return Conv(shape, convolve, name=name)(x)

        x = nn.relu6(conv(lightness, STEM, "stem", 3, 2))
        features, number = [], 0
        for place, stage in enumerate(STAGES, start=1):
            for layer in range(stage.depth):
                y, name = x, f"block{number}"
                stride = stage.stride if layer == 0 else 1
                if stage.expansion > 1:
                    channels = x.shape[-1] * stage.expansion
                    y = nn.relu6(conv(x, channels, f"{name}_expand"))
                y = nn.relu6(depthwise(y, f"{name}_depthwise", stage.kernel, stride))
                y = conv(y, stage.channels, f"{name}_project")
                x = x + y if layer else y
                number += 1
            if place <= self.frozen:
                x = jax.lax.stop_gradient(x)
            features.append(x)
        return features


class EfficientNetColorizer(nn.Module):
    """L to `outputs` channels at a quarter of the resolution.

    `channels` is the decoder's width, `head_scale` the spread of the outputs at the
    start, `dropout` the share of the encoder's features that training drops, channel by
    channel. The first `frozen` stages of the encoder are not trained.
    """

    outputs: int
    channels: int = CHANNELS
    head_scale: float = 1.0
    dropout: float = 0.0
    frozen: int = 0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"], train: bool = False
    ) -> Float[Array, "b h/4 w/4 outputs"]:
        """`lightness` is L of Lab in [0, 100]; `train` needs the key "dropout" if there
        is any."""

        def conv(x, channels, name, size=3, scale=1.0):
            shape = (size, size, x.shape[-1], channels)
            return Conv(shape, scale=scale, name=name)(x)

        drop = nn.Dropout(self.dropout, (1, 2), deterministic=not train)
        x = ((lightness - 50) / 50).astype(self.dtype)
        features = EfficientNetLite(self.frozen, name="encoder")(x)
        *finer, coarsest = [drop(features[level]) for level in LEVELS]
        overall = jnp.broadcast_to(coarsest.mean((1, 2), keepdims=True), coarsest.shape)
        x = jnp.concatenate([coarsest, overall], axis=-1)
        x = nn.relu(conv(x, self.channels, "lateral32", 1))
        for scale, level in zip((16, 8, 4), reversed(finer), strict=True):
            x = upsample(x, 2)[:, : level.shape[1], : level.shape[2]]
            x = nn.relu(x + conv(level, self.channels, f"lateral{scale}", 1))
            x = nn.relu(conv(x, self.channels, f"smooth{scale}"))
        return conv(x, self.outputs, "head", 1, self.head_scale)
