"""The encoder of DeOldify: `ResNetFeatures`.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stride
of a bottleneck is in its 3x3 convolution, as in torchvision.
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from colorjax.nets.normalization import BatchNorm
from colorjax.nets.winograd import Convolution

DEPTHS = {34: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # blocks of each stage, by layers
CHANNELS = 64  # of the stem and the first stage
AROUND: Any = ((1, 1), (1, 1))  # padding of max_pool, which has the type str
WIDER = 4  # outputs of a bottleneck per channel inside


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or with `bottleneck` a 1x1, a 3x3 and a 1x1 one."""

    channels: int
    stride: int
    bottleneck: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], train: bool = False
    ) -> Float[Array, "b h2 w2 o"]:
        def conv(x, channels, size, stride, name):
            x = plain_conv(x, channels, size, stride, name)
            return BatchNorm(name=f"{name}_norm")(x, train)

        if self.bottleneck:
            outputs = WIDER * self.channels
            y = nn.relu(conv(x, self.channels, 1, 1, "conv1"))
            y = nn.relu(conv(y, self.channels, 3, self.stride, "conv2"))
            y = conv(y, outputs, 1, 1, "conv3")
        else:
            outputs = self.channels
            y = nn.relu(conv(x, outputs, 3, self.stride, "conv1"))
            y = conv(y, outputs, 3, 1, "conv2")
        if self.stride > 1 or x.shape[-1] != outputs:
            x = conv(x, outputs, 1, self.stride, "down")
        return nn.relu(x + y)


class ResNetFeatures(nn.Module):
    """An image to features at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size, rounded up.

    `layers` is a key of `DEPTHS`. `width` multiplies every channel count.
    """

    layers: int
    width: float = 1.0

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], train: bool = False
    ) -> list[Float[Array, "b h2 w2 c"]]:
        channels = round(CHANNELS * self.width)
        x = BatchNorm(name="stem_norm")(plain_conv(x, channels, 7, 2, "stem"), train)
        x = nn.relu(x)
        features = [x]
        x = nn.max_pool(x, (3, 3), (2, 2), AROUND)
        for stage, depth in enumerate(DEPTHS[self.layers], start=1):
            for number in range(depth):
                stride = 2 if stage > 1 and number == 0 else 1
                name = f"stage{stage}_block{number}"
                block = ResidualBlock(channels, stride, self.layers > 34, name=name)
                x = block(x, train)
            features.append(x)
            channels *= 2
        return features


def plain_conv(x, channels, size, stride, name):
    """Inside a module: a convolution without bias, padded on all sides."""
    conv = nn.Conv(
        channels,
        (size, size),
        stride,
        padding=size // 2,
        use_bias=False,
        dtype=x.dtype,
        conv_general_dilated_cls=Convolution,
        name=name,
    )
    return conv(x)
