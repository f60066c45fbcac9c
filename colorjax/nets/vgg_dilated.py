"""The network of "Colorful Image Colorization": a VGG with dilation, `VGGDilated`.

Source: the paper's figure 2 and its table of layers, and the released models. There are
eight blocks of 3x3 convolutions with a ReLU after each convolution and BatchNorm after
each block. Three convolutions have a stride of 2, blocks 5 and 6 a dilation of 2. A
transposed convolution and a 1x1 head follow. The output has a quarter of the input's
height and width.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import Conv, dilated_conv, transposed_conv
from colorjax.nets.norm import BatchNorm

# (channels at full width, convolutions, stride of the last one, dilation)
BLOCKS = (
    (64, 2, 2, 1),
    (128, 2, 2, 1),
    (256, 3, 2, 1),
    (512, 3, 1, 1),
    (512, 3, 1, 2),
    (512, 3, 1, 2),
    (512, 3, 1, 1),
)
SCALE = 4  # input pixels per output pixel


class VGGDilated(nn.Module):
    """L to `outputs` channels at a quarter of the resolution; 32.23 M parameters.

    `width` multiplies every channel count. `affine` gives BatchNorm a scale and an
    offset, as in the authors' PyTorch port but not in their Caffe model. `head_scale`
    is the standard deviation of the outputs at the start. Training drops the share
    `dropout` of the features behind blocks 4 to 8 (the paper drops none). With `remat`
    a gradient stores only the outputs of blocks 1 to 7 and computes their insides
    again. Statistics are float32 for any `dtype`.
    """

    outputs: int
    width: float = 1.0
    affine: bool = False
    head_scale: float = 1.0
    dropout: float = 0.0
    remat: bool = False
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"], train: bool = False
    ) -> Float[Array, "b h/4 w/4 outputs"]:
        """`lightness` is L of Lab in [0, 100], height and width multiples of 8.

        `train` uses the statistics of the batch; dropout needs the key "dropout".
        """

        def conv(x, channels, name, size=3, scale=1.0, convolve=dilated_conv):
            shape = (size, size, x.shape[-1], channels)
            return Conv(shape, convolve, scale, name=name)(x)

        def norm(x, name):
            return BatchNorm(self.affine, name=name)(x, train)

        def block(net, x, number):
            channels, depth, stride, dilation = BLOCKS[number - 1]
            for layer in range(1, depth + 1):
                convolve = functools.partial(
                    dilated_conv,
                    stride=stride if layer == depth else 1,
                    dilation=dilation,
                )
                name = f"conv{number}_{layer}"
                x = nn.relu(
                    conv(x, round(channels * net.width), name, convolve=convolve)
                )
            return norm(x, f"norm{number}")

        if self.remat:
            block = nn.remat(block, static_argnums=2)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        x = ((lightness - 50) / 100).astype(self.dtype)
        for number in range(1, len(BLOCKS) + 1):
            x = block(self, x, number)
            if number >= 4:
                x = drop(x)
        channels = round(256 * self.width)
        x = nn.relu(conv(x, channels, "conv8_1", size=4, convolve=transposed_conv))
        x = nn.relu(conv(x, channels, "conv8_2"))
        x = drop(nn.relu(conv(x, channels, "conv8_3")))
        return conv(x, self.outputs, "head", size=1, scale=self.head_scale)
