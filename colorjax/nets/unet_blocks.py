"""The way up of fastai's U-Nets, which DDColor and DeOldify have: `UNetBlock`,
`squares` with `shuffle` and `blur`, `SelfAttention`.

Source: Howard and Gugger, "fastai: A Layered API for Deep Learning", 2020. The pixel
shuffle is that of Shi et al., CVPR 2016, its initialization that of Aitken et al.,
"Checkerboard artifact free sub-pixel convolution", 2017, and its blur that of Sugawara
et al., "Super-Resolution using Convolutional Neural Networks without Any Checkerboard
Artifacts", 2018.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.normalization import BatchNorm, spectral
from colorjax.nets.winograd import Convolution

HE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


def shuffle(x: Float[Array, "b h w c"], factor: int) -> Float[Array, "b h2 w2 c2"]:
    """Channels to squares of `factor` x `factor` pixels.

    The channels are ordered by the row and the column in the square, then by the output
    channel. PyTorch orders them by the output channel first.
    """
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, factor, factor, c // factor**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h * factor, w * factor, -1)


def blur(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The mean of each pixel, the one above, the one to the left, and the one above
    that."""
    x = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")
    x = x[:, 1:] + x[:, :-1]
    return (x[:, :, 1:] + x[:, :, :-1]) / 4


def conv(
    x: Float[Array, "b h w i"],
    channels: int,
    size: int,
    name: str,
    train: bool,
    spectral_norm: bool = False,
    **options,
) -> Float[Array, "b h w o"]:
    """Inside a module: a convolution that keeps height and width.

    With `spectral_norm` training divides the kernel by its largest singular value.
    `options` are those of `nn.Conv`.
    """
    options = {"kernel_init": HE, "dtype": x.dtype, "name": name} | options
    if not spectral_norm:  # which changes the kernel wherever the net runs
        options["conv_general_dilated_cls"] = Convolution
    layer = nn.Conv(channels, (size, size), padding=size // 2, **options)
    return spectral(layer, x, train) if spectral_norm else layer(x)


def squares(
    x: Float[Array, "b h w i"],
    channels: int,
    factor: int,
    name: str,
    train: bool,
    spectral_norm: bool = False,
    norm: bool = False,
) -> Float[Array, "b h w c"]:
    """Inside a module: what `shuffle` makes an image with `channels` of, `factor` times
    as large.

    It is a 1x1 convolution and a ReLU; with `norm`, BatchNorm replaces the bias.
    """

    def equal_pixels(key, shape, dtype=jnp.float32):
        one = HE(key, (*shape[:-1], channels), dtype)
        return jnp.tile(one, factor**2)

    outputs = channels * factor**2
    x = conv(
        x,
        outputs,
        1,
        name,
        train,
        spectral_norm,
        use_bias=not norm,
        kernel_init=equal_pixels,
    )
    return nn.relu(BatchNorm(name=f"{name}_norm")(x, train) if norm else x)


def conv_relu_norm(
    x: Float[Array, "b h w i"],
    channels: int,
    name: str,
    train: bool,
    spectral_norm: bool = False,
) -> Float[Array, "b h w o"]:
    """Inside a module: a 3x3 convolution, ReLU, then BatchNorm."""
    x = conv(x, channels, 3, name, train, spectral_norm, use_bias=False)
    return BatchNorm(name=f"{name}_norm")(nn.relu(x), train)


class UNetBlock(nn.Module):
    """Features and those of twice the size, on the way down, to `channels` of these.

    The features become `up` channels of twice the size. A 3x3 convolution for each of
    `channels` follows, with ReLU and then BatchNorm.
    """

    up: int
    channels: tuple[int, ...]
    attention: bool = False
    spectral_norm: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w i"],
        skip: Float[Array, "b h2 w2 s"],
        train: bool = False,
    ) -> Float[Array, "b h2 w2 o"]:
        x = squares(x, self.up, 2, "shuffle", train, self.spectral_norm, norm=True)
        x = blur(shuffle(x, 2))
        x = x[:, : skip.shape[1], : skip.shape[2]]  # an odd side was rounded up
        skip = nn.relu(BatchNorm(name="skip_norm")(skip, train))
        x = jnp.concatenate([x, skip], axis=-1)
        for number, channels in enumerate(self.channels, start=1):
            x = conv_relu_norm(x, channels, f"conv{number}", train, self.spectral_norm)
        if self.attention:
            x = SelfAttention(self.spectral_norm, name="attention")(x, train)
        return x


class SelfAttention(nn.Module):
    """Each position adds values of all others, weighted by keys that fit its query.

    Source: Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019.
    """

    spectral_norm: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], train: bool = False
    ) -> Float[Array, "b h w c"]:
        flat = x.reshape(len(x), -1, x.shape[-1])

        def project(channels, name):
            layer = nn.Conv(
                channels,
                (1,),
                use_bias=False,
                dtype=x.dtype,
                kernel_init=HE,
                name=name,
            )
            return spectral(layer, flat, train) if self.spectral_norm else layer(flat)

        channels = x.shape[-1]
        gamma = self.param("gamma", nn.initializers.zeros, (1,))
        query, key = project(channels // 8, "query"), project(channels // 8, "key")
        # The published layers have these names, though the "key" asks.
        scores = jnp.einsum("bkc,bqc->bkq", key, query)
        values = jax.nn.softmax(scores) @ project(channels, "value")
        return x + gamma.astype(x.dtype) * values.reshape(x.shape)
