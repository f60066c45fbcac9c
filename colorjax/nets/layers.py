"""Layers that the nets share: `Conv` with data-dependent initialisation,
`upsample`.

Data-dependent initialisation (Kraehenbuehl et al., ICLR 2016, the within-layer step):
when parameters are created, the kernel is scaled and the bias set so that on the batch
at hand every output channel has mean 0 and variance 1. Layers do so one after another,
each seeing the output of those already set.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def dilated_conv(x, kernel, stride=1, dilation=1):
    """3x3-like convolution, padded as PyTorch pads with padding = dilation * (k //
    2)."""
    pad = dilation * (kernel.shape[0] // 2)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def transposed_conv(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b h*2 w*2 o"]:
    """4x4 transposed convolution of stride 2 and padding 1, computed at low resolution.

    Output pixel 2m + phase sees inputs m - 1, m, m + 1 through taps (3, 1, -) for phase
    0 and (-, 2, 0) for phase 1. So it is a 3x3 convolution to four times the channels,
    then depth to space. XLA's CPU kernel gradient of the direct form is dozens of times
    slower. `kernel[u, v]` is PyTorch's `weight[:, :, u, v]`.
    """
    o = kernel.shape[-1]
    taps = jnp.array([[3, 1, 4], [4, 2, 0]])  # 4 is a zero row, appended below
    padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
    phases = padded[taps[:, None, :, None], taps[None, :, None, :]]  # [2 2 3 3 i o]
    low = jnp.transpose(phases, (2, 3, 4, 0, 1, 5)).reshape(3, 3, -1, 4 * o)
    b, h, w, _ = x.shape
    y = dilated_conv(x, low).reshape(b, h, w, 2, 2, o)
    return jnp.transpose(y, (0, 1, 3, 2, 4, 5)).reshape(b, 2 * h, 2 * w, o)


class Conv(nn.Module):
    """A convolution with bias, born with unit-variance outputs on its first batch.

    `convolve(x, kernel)` is any function linear in the kernel; `shape` is the kernel's,
    the last axis its outputs. Parameters are float32, the product is in `x.dtype`.
    """

    shape: tuple[int, ...]
    convolve: Callable = dilated_conv
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h2 w2 o"]:
        def convolve(kernel):
            return self.convolve(x, kernel.astype(x.dtype))

        def unit_variance(key):
            kernel = nn.initializers.he_normal()(key, self.shape, jnp.float32)
            y = convolve(kernel).astype(jnp.float32)
            return self.scale * kernel / (y.std(axis=(0, 1, 2)) + 1e-6)

        def zero_mean(key):
            return -convolve(kernel).astype(jnp.float32).mean(axis=(0, 1, 2))

        kernel = self.param("kernel", unit_variance)
        bias = self.param("bias", zero_mean)
        return convolve(kernel) + bias.astype(x.dtype)


def upsample(x: Float[Array, "b h w c"], factor: int) -> Float[Array, "b h2 w2 c"]:
    """Bilinear, for samples that lie on every `factor`-th pixel, the first on pixel 0.

    That is where the targets are taken; a resize about pixel centres would shift the
    colours by (factor - 1) / 2 pixels.
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
