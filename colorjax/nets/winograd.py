"""3x3 convolutions by fewer multiplications, for inference on the CPU.

Source: Winograd, "Arithmetic Complexity of Computations", 1980; for networks Lavin and
Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(2x2, 3x3). A
tile of 2x2 outputs takes 16 multiplications for each pair of channels instead of 36.
The result differs from that of the definition by rounding only.

`prepare` stores the transformed kernels of nets in the collection `COLLECTION`, beside
"params". A layer uses its transformed kernel where it has one. So training,
checkpoints, exported files and other devices, whose nets have no such collection, use
the definition.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

COLLECTION = "winograd"
# With fewer channels the sums take as much time as the products save. Measured for 64
# to 512 channels, 4x4 to 128x128 pixels and batches of 1 to 8 (`benchmarks.winograd`).
CHANNELS = 128


def prepare(nets: Mapping[str, Any]) -> dict[str, Any]:
    """The nets, on the CPU with the transformed kernels of their large convolutions.

    `nets` holds the variables of each net by name. A kernel takes 16/9 of its memory
    again.
    """
    if jax.default_backend() != "cpu":
        return dict(nets)
    return {name: _with_kernels(variables) for name, variables in nets.items()}


def _with_kernels(variables: Mapping[str, Any]) -> dict[str, Any]:
    kernels = _transformed(variables.get("params", {}))
    return {**variables, COLLECTION: kernels} if kernels else dict(variables)


def _transformed(params: Mapping[str, Any]) -> dict[str, Any]:
    """The transformed kernels of the layers below, by the names of the layers."""
    kernels = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            if below := _transformed(value):
                kernels[name] = below
        elif name == "kernel" and is_large(value.shape):
            kernels[name] = transform(value)
    return kernels


def is_large(shape: Sequence[int]) -> bool:
    """Whether a kernel of this shape is 3x3 and has enough channels."""
    return len(shape) == 4 and tuple(shape[:2]) == (3, 3) and min(shape[2:]) >= CHANNELS


def kernel_of(layer: nn.Module) -> Float[Array, "4 4 i o"] | None:
    """The transformed kernel of a layer inside `apply`; None where it has none."""
    if layer.has_variable(COLLECTION, "kernel"):
        return layer.get_variable(COLLECTION, "kernel")
    return None


@jax.jit
def transform(kernel: Float[Array, "3 3 i o"]) -> Float[Array, "4 4 i o"]:
    """The kernel as `convolve` takes it: G g G^T in the paper."""

    def along(kernel, axis):
        first, middle, last = jnp.moveaxis(kernel, axis, 0)
        outer, inner = (first + last) / 2, middle / 2
        return jnp.stack([first, outer + inner, outer - inner, last], axis)

    return along(along(kernel, 0), 1)


def convolve(
    x: Float[Array, "b h w i"],
    transformed: Float[Array, "4 4 i o"],
    dilation: int = 1,
    padding: int = 1,
) -> Float[Array, "b h2 w2 o"]:
    """A 3x3 convolution of stride 1.

    `transformed` is the kernel as `transform` makes it. Each side is padded with
    `padding` * `dilation` zeros. With a `dilation` the pixels at equal phases form
    images of their own.
    """
    if dilation == 1:
        return _convolve(x, transformed, padding)
    (b, h, w, i), d = x.shape, dilation
    x = jnp.pad(x, ((0, 0), (0, -h % d), (0, -w % d), (0, 0)))
    x = x.reshape(b, -(-h // d), d, -(-w // d), d, i).transpose(0, 2, 4, 1, 3, 5)
    y = _convolve(x.reshape(-1, *x.shape[3:]), transformed, padding)
    y = y.reshape(b, d, d, *y.shape[1:]).transpose(0, 3, 1, 4, 2, 5)
    lost = 2 * d * (1 - padding)
    y = y.reshape(b, y.shape[1] * d, y.shape[3] * d, -1)
    return y[:, : h - lost, : w - lost]


def _convolve(x, transformed, padding):
    """Y = A^T [(G g G^T) * (B^T d B)] A for the tiles d, which overlap by two pixels.

    The products of all tiles are one batched matrix product.
    """
    b, h, w, channels = x.shape
    height, width = h + 2 * padding - 2, w + 2 * padding - 2
    rows, columns = -(-height // 2), -(-width // 2)  # of tiles
    down, right = 2 * rows + 2 - h - padding, 2 * columns + 2 - w - padding
    x = jnp.pad(x, ((0, 0), (padding, down), (padding, right), (0, 0)))
    x = x.reshape(b, rows + 1, 2, columns + 1, 2, channels)
    tiles = [
        part
        for row in _inputs(x[:, :-1, 0], x[:, :-1, 1], x[:, 1:, 0], x[:, 1:, 1])
        for part in _inputs(
            row[:, :, :-1, 0], row[:, :, :-1, 1], row[:, :, 1:, 0], row[:, :, 1:, 1]
        )
    ]
    products = jnp.einsum(
        "pti,pio->pto",
        jnp.stack(tiles).reshape(16, -1, channels),
        transformed.reshape(16, channels, -1),
    )
    products = products.reshape(4, 4, b, rows, columns, -1)
    y = [jnp.stack(_outputs(*row), axis=3) for row in _outputs(*products)]
    y = jnp.stack(y, axis=2).reshape(b, 2 * rows, 2 * columns, -1)
    return y[:, :height, :width]


def _inputs(d0, d1, d2, d3):
    """B^T d: the four sums of four pixels along an axis."""
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _outputs(m0, m1, m2, m3):
    """A^T m: two pixels along an axis from four products."""
    return m0 + m1 + m2, m1 - m2 - m3


class Convolution(nn.Module):
    """The convolution of an `nn.Conv`, given to it as `conv_general_dilated_cls`."""

    def __call__(self, x, kernel, strides, padding, **options):
        """`convolve` where the `nn.Conv` has a transformed kernel and no stride."""
        assert isinstance(self.parent, nn.Module)
        transformed = kernel_of(self.parent)
        if transformed is None or strides != (1, 1) or x.dtype != transformed.dtype:
            return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)
        zeros = 1 if padding == "SAME" else padding[0][0]
        return convolve(x, transformed, options["rhs_dilation"][0], zeros)
