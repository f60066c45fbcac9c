"""DDColor: a U-Net and a decoder of colors: `DDColor`.

Source: Kang et al., "DDColor: Towards Photo-Realistic Image Colorization via Dual
Decoders", ICCV 2023, figure 3 and section 3. The encoder is ConvNeXt. The pixel decoder
enlarges its features to the size of the image. The color decoder turns learned queries
into colors, by attention to three scales of the pixel decoder. The layers of attention
are those of Mask2Former (Cheng et al., CVPR 2022), the sine positions those of DETR
(Carion et al., ECCV 2020).
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.color import lab_to_rgb
from colorjax.nets.convnext import STRIDE, ConvNeXt, layer_norm
from colorjax.nets.layers import to_stride
from colorjax.nets.transformer import Attention
from colorjax.nets.unet_blocks import UNetBlock, blur, conv, shuffle, squares

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in ImageNet
CHANNELS = 512  # of the pixel decoder; the last two layers have half as many
HIDDEN, FEEDFORWARD, HEADS = 256, 2048, 8  # channels, channels, heads of attention
LAST = 4  # how many times the last layer enlarges
EPSILON = 1e-5  # of the color decoder's LayerNorm
TAU = 2 * np.pi


def grey_rgb(lightness: Float[Array, "b h w 1"]) -> Float[Array, "b h w 3"]:
    """sRGB in [0, 1] of greys, normalized by the statistics of ImageNet."""
    lab = jnp.pad(lightness, ((0, 0), (0, 0), (0, 0), (0, 2)))
    return (lab_to_rgb(lab) - jnp.array(MEAN)) / jnp.array(STD)


class DDColor(nn.Module):
    """L to ab; `size` of the encoder is "tiny" or "large".

    `width` multiplies every channel count. The color decoder has `queries` and `layers`
    of attention. With `spectral_norm` the convolutions of the pixel decoder and the
    last one are divided by their largest singular value; published weights are divided
    already.
    """

    size: str = "tiny"
    width: float = 1.0
    queries: int = 100
    layers: int = 9
    spectral_norm: bool = False
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"], train: bool = False
    ) -> Float[Array, "b h w 2"]:
        """`lightness` is L of Lab in [0, 100]; the output has ab units.

        `train` uses the statistics of the batch.
        """
        height, width = lightness.shape[1:3]
        rgb = grey_rgb(to_stride(lightness, STRIDE)).astype(self.dtype)
        *skips, x = ConvNeXt(self.size, self.width, name="encoder")(rgb)
        scales = []
        for number, part in enumerate((1, 1, 2)):
            channels = round(CHANNELS * self.width) // part
            block = UNetBlock(
                channels,
                (channels,),
                spectral_norm=self.spectral_norm,
                name=f"up{number}",
            )
            x = block(x, skips.pop(), train)
            scales.append(x)
        channels = x.shape[-1]
        x = squares(x, channels, LAST, "last", train, self.spectral_norm)
        decoder = ColorDecoder(self.width, self.queries, self.layers, name="colors")
        colors = decoder(scales)
        # The paper's last layers are linear: maps = features @ colors for each pixel,
        # and ab = [maps, rgb] @ kernel. So colors @ kernel comes first, and nothing of
        # the image's size has more than two channels.
        points = jnp.pad(colors.swapaxes(1, 2), ((0, 0), (0, 0), (0, 3)))
        units = jnp.pad(jnp.eye(3, dtype=x.dtype), ((0, 0), (self.queries, 0)))
        units = jnp.broadcast_to(units, (len(x), *units.shape))
        points = jnp.concatenate([points, units], axis=1)[:, :, None]
        refine = conv(points, 2, 1, "refine", train, self.spectral_norm, use_bias=False)
        of_features, of_rgb = jnp.split(refine[:, :, 0], [channels], axis=1)
        x = x.reshape(*x.shape[:3], LAST**2, channels)
        x = jnp.einsum("bhwsc,bco->bhwso", x, of_features)
        ab = blur(shuffle(x.reshape(*x.shape[:3], -1), LAST))
        ab += jnp.einsum("bhwi,bio->bhwo", rgb, of_rgb)
        ab = ab.astype(jnp.float32) + self.param("bias", nn.initializers.zeros, (2,))
        return ab[:, :height, :width]


class ColorDecoder(nn.Module):
    """Features at three scales to one vector for each color query.

    For each layer in turn the queries see one scale, each other, and a feedforward
    network.
    """

    width: float
    queries: int
    layers: int

    @nn.compact
    def __call__(
        self, scales: list[Float[Array, "b _ _ _"]]
    ) -> Float[Array, "b queries c"]:
        dtype, hidden = scales[0].dtype, HEADS * round(HIDDEN * self.width / HEADS)
        normal = nn.initializers.normal(1.0)

        def learned(name, count):
            return self.param(name, normal, (count, hidden)).astype(dtype)

        def dense(x, channels, name):
            return nn.Dense(channels, dtype=dtype, name=name)(x)

        def attend(x, keys, values, name):
            """The queries `x` with what they find, normalized."""
            x += Attention(HEADS, name=name)(x + places, keys, values)
            return layer_norm(x, f"{name}_norm", EPSILON)

        levels = learned("levels", len(scales))
        memory = []
        for number, features in enumerate(scales):
            batch, height, width, _ = features.shape
            position = sine_positions(height, width, hidden).astype(dtype)
            project = nn.Conv(hidden, (1, 1), dtype=dtype, name=f"scale{number}")
            values = project(features) + levels[number]
            flat = batch, height * width, hidden
            memory.append(((values + position).reshape(flat), values.reshape(flat)))
        places = learned("places", self.queries)
        x = learned("queries", self.queries)
        x = jnp.broadcast_to(x, (len(scales[0]), *x.shape))
        for number in range(self.layers):
            keys, values = memory[number % len(memory)]
            x = attend(x, keys, values, f"cross{number}")
            x = attend(x, x + places, x, f"self{number}")
            y = nn.relu(dense(x, round(FEEDFORWARD * self.width), f"widen{number}"))
            y = dense(y, hidden, f"narrow{number}")
            x = layer_norm(x + y, f"feedforward{number}_norm", EPSILON)
        x = layer_norm(x, "norm", EPSILON)
        for number in range(3):
            x = dense(nn.relu(x) if number else x, hidden, f"color{number}")
        return x


def sine_positions(height: int, width: int, channels: int) -> Float[Array, "h w c"]:
    """Sines and cosines of the row, then of the column, in alternation.

    The position is a part of the height or the width, in (0, 1], times 2 pi. The
    wavelengths are a geometric series up to 10,000 times that.
    """
    half = channels // 2
    wavelength = 10_000 ** (2 * (jnp.arange(half) // 2) / half)

    def along(length):
        angle = TAU * jnp.arange(1, length + 1) / (length + 1e-6)
        angle = angle[:, None] / wavelength
        pairs = jnp.stack([jnp.sin(angle[:, ::2]), jnp.cos(angle[:, 1::2])], axis=-1)
        return pairs.reshape(length, half)

    rows, columns = along(height)[:, None], along(width)[None]
    shape = (height, width, half)
    return jnp.concatenate(
        [jnp.broadcast_to(rows, shape), jnp.broadcast_to(columns, shape)], axis=-1
    )
