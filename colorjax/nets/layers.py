"""Layers that the nets share.

`apply_train` and `apply_eval` run a net. `Conv` is a convolution with data-dependent
initialization, `upsample` brings ab to full size. The adversarial nets use
`plain_conv`, `TransposedConv` and `to_stride`; `nets.normalization` has their norms.

Data-dependent initialization (Kraehenbuehl et al., ICLR 2016, the within-layer step):
when the parameters of a layer are created, its kernel is scaled and its bias is set so
that on the first batch every output channel has mean 0 and variance 1. The layers are
initialized in their order, so each sees outputs of initialized layers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets import winograd


def apply_train(
    net: nn.Module, variables: Mapping[str, Any], x: Float[Array, "b h w i"], key=None
) -> tuple[Float[Array, "b h2 w2 o"], dict[str, Any]]:
    """The output in training mode, and the updated statistics as "batch_stats".

    `key` is for dropout.
    """
    rngs = None if key is None else {"dropout": key}
    result: Any = net.apply(
        variables, x, train=True, mutable=["batch_stats"], rngs=rngs
    )
    return result


def apply_eval(
    net: nn.Module, variables: Mapping[str, Any], x: Float[Array, "b h w i"]
) -> Float[Array, "b h2 w2 o"]:
    """The output in evaluation mode, in float32."""
    output: Any = net.apply(variables, x)
    return output.astype(jnp.float32)


def dilated_conv(x, kernel, stride=1, dilation=1, transformed=None):
    """A convolution with an odd kernel [k k i o].

    It is padded like PyTorch's with padding = dilation * (k // 2). If there is a
    `transformed` kernel (see `nets.winograd`), it is used where it applies.
    """
    if transformed is not None and stride == 1 and x.dtype == transformed.dtype:
        return winograd.convolve(x, transformed, dilation)
    pad = dilation * (kernel.shape[0] // 2)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def depthwise_conv(x, kernel, stride=1):
    """A depthwise convolution with a kernel [k k 1 c], as a sum over its taps.

    On the CPU, XLA's grouped convolution takes 10 to 50 times as long, forward and
    backward. The padding is that of `dilated_conv`, so output i lies on input
    i * stride.
    """
    size, (height, width) = len(kernel), x.shape[1:3]
    pad = (size // 2, size // 2)
    x = jnp.pad(x, ((0, 0), pad, pad, (0, 0)))
    return sum(
        x[:, i : i + height : stride, j : j + width : stride] * kernel[i, j, 0]
        for i in range(size)
        for j in range(size)
    )


def transposed_conv(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b h*2 w*2 o"]:
    """A 4x4 transposed convolution of stride 2 and padding 1, as matrix products.

    `kernel[u, v]` is PyTorch's `weight[:, :, u, v]`.

    Along each axis, output 2m is a sum of inputs m - 1 and m with taps 3 and 1, and
    output 2m + 1 of inputs m and m + 1 with taps 2 and 0. So with j = m or m + 1, each
    phase is a function of inputs j - 1 and j: four products to 4 o channels, then depth
    to space. This needs as many multiplications as the definition. On the CPU, XLA's
    gradient of the direct form in its kernel is dozens of times slower.
    """
    b, h, w, _ = x.shape
    taps = jnp.array([[3, 2], [1, 0]])  # [input j - 1 or j, phase]
    phases = kernel[taps[:, None, :, None], taps[None, :, None, :]]  # [2 2 2 2 i o]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y: Any = sum(
        jnp.einsum(
            "bhwi,pqio->bhwpqo",
            padded[:, u : u + h + 1, v : v + w + 1],
            phases[u, v],
            preferred_element_type=jnp.float32,
        )
        for u in (0, 1)
        for v in (0, 1)
    )
    y = y.astype(x.dtype)
    rows = jnp.stack([y[:, :h, :, 0], y[:, 1:, :, 1]], axis=2)  # [b h 2 w+1 2 o]
    both = jnp.stack([rows[:, :, :, :w, 0], rows[:, :, :, 1:, 1]], axis=4)
    return both.reshape(b, 2 * h, 2 * w, -1)


class Conv(nn.Module):
    """A convolution with bias and data-dependent initialization.

    `convolve(x, kernel)` is any function that is linear in the kernel, which has this
    `shape`; its last axis holds the outputs. They have the standard deviation `scale`
    on the first batch. Parameters are float32, the product is in `x.dtype`. A
    `convolve` of large 3x3 kernels also gets `transformed` (see `dilated_conv`) where
    the net has been prepared.
    """

    shape: tuple[int, ...]
    convolve: Callable = dilated_conv
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 o"]:
        def convolve(kernel, **options):
            return self.convolve(x, kernel.astype(x.dtype), **options)

        def unit_variance(key, shape):
            kernel = nn.initializers.he_normal()(key, shape, jnp.float32)
            y = convolve(kernel).astype(jnp.float32)
            return self.scale * kernel / (y.std(axis=(0, 1, 2)) + 1e-6)

        def zero_mean(key, shape):
            return -convolve(kernel).astype(jnp.float32).mean(axis=(0, 1, 2))

        if self.has_variable("params", "kernel"):
            # Flax would trace the initialization again to check the shape.
            unit_variance = zero_mean = nn.initializers.zeros
        kernel = self.param("kernel", unit_variance, self.shape)
        bias = self.param("bias", zero_mean, self.shape[-1:])
        transformed = winograd.kernel_of(self, kernel)
        options = {} if transformed is None else {"transformed": transformed}
        return convolve(kernel, **options) + bias.astype(x.dtype)


NORMAL = nn.initializers.normal(0.02)  # Radford et al., ICLR 2016


def plain_conv(
    channels: int, size: int, stride: int = 1, padding: int = 0, **options
) -> nn.Conv:
    """A square convolution with the initialization of adversarial nets.

    `options` are those of `nn.Conv`.
    """
    return nn.Conv(
        channels,
        (size, size),
        strides=stride,
        padding=padding,
        kernel_init=NORMAL,
        conv_general_dilated_cls=winograd.Convolution,
        **options,
    )


class TransposedConv(nn.Module):
    """A transposed convolution of stride 2, which doubles height and width.

    A kernel of size 4 has padding 1. A kernel of size 3 has padding 1 and output
    padding 1, so it is a kernel of size 4 whose last row and column are 0.
    """

    channels: int
    size: int = 4
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h*2 w*2 o"]:
        shape = (self.size, self.size, x.shape[-1], self.channels)
        missing = (0, 4 - self.size)
        kernel = jnp.pad(
            self.param("kernel", NORMAL, shape), (missing, missing, (0, 0), (0, 0))
        )
        y = transposed_conv(x, kernel.astype(x.dtype))
        if not self.use_bias:
            return y
        zeros = nn.initializers.zeros
        return y + self.param("bias", zeros, (self.channels,)).astype(x.dtype)


def to_stride(x: Float[Array, "b h w c"], stride: int) -> Float[Array, "b h2 w2 c"]:
    """Pad height and width to multiples of `stride` by repeating the last row and
    column."""
    for axis in (1, 2):
        # For `colorjax export`: JAX knows that such a symbolic size is a multiple.
        length = -(-x.shape[axis] // stride) * stride
        x = jnp.take(x, jnp.arange(length), axis, mode="clip")
    return x


def upsample(x: Float[Array, "b h w c"], factor: int) -> Float[Array, "b h2 w2 c"]:
    """Bilinear upsampling of samples that lie on every `factor`-th pixel, from pixel 0.

    These are the pixels of the targets. A resize about pixel centers would shift the
    colors by (factor - 1) / 2 pixels.
    """
    for axis in (1, 2):
        following = jnp.concatenate(
            [
                jax.lax.slice_in_dim(x, 1, None, axis=axis),
                jax.lax.slice_in_dim(x, -1, None, axis=axis),
            ],
            axis=axis,
        )
        steps = [x + (following - x) * (i / factor) for i in range(factor)]
        shape = x.shape[:axis] + (factor * x.shape[axis],) + x.shape[axis + 1 :]
        x = jnp.stack(steps, axis=axis + 1).reshape(shape)
    return x


def shrink(x: Float[Array, "b h w c"], size: int) -> Float[Array, "b h2 w2 c"]:
    """The means of squares of `size` pixels; height and width are multiples of it."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // size, size, width // size, size, channels)
    return x.mean(axis=(2, 4))


def space_to_depth(x: Float[Array, "b h w c"], size: int) -> Float[Array, "b h2 w2 d"]:
    """The pixels of each square of `size` pixels as channels."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // size, size, width // size, size, channels)
    return x.swapaxes(2, 3).reshape(batch, height // size, width // size, -1)


def depth_to_space(x: Float[Array, "b h w d"], size: int) -> Float[Array, "b h2 w2 c"]:
    """The inverse of `space_to_depth`."""
    batch, height, width, _ = x.shape
    x = x.reshape(batch, height, width, size, size, -1)
    return x.swapaxes(2, 3).reshape(batch, height * size, width * size, -1)
