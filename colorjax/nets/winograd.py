"""3x3 convolutions by fewer multiplications, on the CPU.

Source: Winograd, "Arithmetic Complexity of Computations", 1980; for networks Lavin and
Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(2x2, 3x3). A
tile of 2x2 outputs takes 16 multiplications for each pair of channels instead of 36.
The result differs from that of the definition by rounding only.

For inference `prepare` stores the transformed kernels of nets in the collection
`COLLECTION`, beside "params". For training `mark` stores a mark instead, and the layer
transforms its kernel itself, so that gradients reach the params. A layer without either
uses the definition. So nothing changes for checkpoints, exported files and other
devices, whose nets have no such collection.
"""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.nets import winograd_transforms as transforms

COLLECTION = "winograd"
# With fewer channels the sums take as much time as the products save. Measured for 64
# to 512 channels, 8x8 to 128x128 pixels, batches of 1 to 128 (`benchmarks.winograd`).
CHANNELS = 128
TRAINED = 256  # the same for training: with 128 a step of configs/cifar10.py is slower


def prepare(nets: Mapping[str, Any]) -> dict[str, Any]:
    """The nets, on the CPU with the transformed kernels of their large convolutions.

    `nets` holds the variables of each net by name. A transformed kernel takes 16/9 of
    the memory of the kernel, in addition to it.
    """
    if jax.default_backend() != "cpu":
        return dict(nets)
    return _with_kernels(nets, CHANNELS, transform)


def mark(nets: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """The nets, on the CPU with a mark at their largest convolutions."""
    if platform != "cpu":
        return dict(nets)
    return _with_kernels(nets, TRAINED, lambda kernel: jnp.zeros(()))


def _with_kernels(nets, channels, change):
    """The nets with a collection of what `change` makes of each kernel with at least
    this many channels."""

    def changed(params):
        kernels = {}
        for name, value in params.items():
            if isinstance(value, Mapping):
                if below := changed(value):
                    kernels[name] = below
            elif name == "kernel" and _is_large(value.shape, channels):
                kernels[name] = change(value)
        return kernels

    return {
        name: {**variables, COLLECTION: changed(variables.get("params", {}))}
        for name, variables in nets.items()
    }


def _is_large(shape, channels):
    return len(shape) == 4 and shape[:2] == (3, 3) and min(shape[2:]) >= channels


def kernel_of(
    layer: nn.Module, kernel: Float[Array | np.ndarray, "_ _ i o"]
) -> Float[Array, "4 4 i o"] | None:
    """The transformed kernel of a layer inside `apply`; None where it has none, or
    where `kernel` is not float32, because its sums would lose too many digits."""
    if kernel.dtype != jnp.float32 or not layer.has_variable(COLLECTION, "kernel"):
        return None
    stored = layer.get_variable(COLLECTION, "kernel")
    return stored if stored.ndim else transform(kernel)


@jax.jit
def transform(kernel: Float[Array, "3 3 i o"]) -> Float[Array, "4 4 i o"]:
    """The kernel as `convolve` takes it: G g G^T in the paper."""
    return _transform(kernel)


@jax.custom_vjp
def _transform(kernel):
    return transforms.transform_kernel(kernel)


def _transform_forward(kernel):
    return _transform(kernel), None


def _transform_backward(_, d):
    """G^T d G. JAX's own gradient would pad each slice of the kernel with zeros."""
    return (transforms.kernel_gradient(d),)


_transform.defvjp(_transform_forward, _transform_backward)


def convolve(
    x: Float[Array, "b h w i"],
    transformed: Float[Array, "4 4 i o"],
    dilation: int = 1,
    padding: int = 1,
) -> Float[Array, "b h2 w2 o"]:
    """A 3x3 convolution of stride 1.

    `transformed` is the kernel as `transform` makes it. Each side is padded with
    `padding` * `dilation` zeros. With a `dilation` d, the pixels of each phase (row and
    column modulo d) form an image of their own.
    """
    if dilation == 1:
        return _convolve(x, transformed, padding)
    (b, h, w, i), d = x.shape, dilation
    x = jnp.pad(x, ((0, 0), (0, -h % d), (0, -w % d), (0, 0)))
    x = x.reshape(b, -(-h // d), d, -(-w // d), d, i).transpose(0, 2, 4, 1, 3, 5)
    y: Any = _convolve(x.reshape(-1, *x.shape[3:]), transformed, padding)
    y = y.reshape(b, d, d, *y.shape[1:]).transpose(0, 3, 1, 4, 2, 5)
    lost = 2 * d * (1 - padding)
    y = y.reshape(b, y.shape[1] * d, y.shape[3] * d, -1)
    return y[:, : h - lost, : w - lost]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x: Array, transformed: Array, padding: int) -> Array:
    """Y = A^T [(G g G^T) * (B^T d B)] A for the tiles d, which overlap by two pixels.

    The products of all tiles are one batched matrix product.
    """
    kernels = transformed.reshape(16, *transformed.shape[2:])
    tiles = transforms.stack(transforms.input_tiles(x, padding))
    products = jnp.einsum("pti,pio->pto", tiles, kernels)
    products = transforms.unstack(products, x.shape, padding)
    return transforms.output_image(products, x.shape, padding)


def _convolve_forward(x, transformed, padding):
    return _convolve(x, transformed, padding), (x, transformed)


def _convolve_backward(padding, saved, dy):
    """Both gradients are such products, too.

    That of x is the convolution of dy with the kernel turned by 180 degrees, whose
    transform has its first and last rows and columns exchanged. The tiles and the
    products are exchanged instead, because they are smaller.
    """
    x, transformed = saved
    kernels = transformed.reshape(16, *transformed.shape[2:])
    dy_tiles = transforms.exchange(transforms.input_tiles(dy, 2 - padding))
    products = jnp.einsum("pto,pio->pti", transforms.stack(dy_tiles), kernels)
    products = transforms.unstack(products, dy.shape, 2 - padding)
    products = transforms.exchange(products)
    dx = transforms.output_image(products, dy.shape, 2 - padding)
    x_tiles = transforms.stack(transforms.input_tiles(x, padding))
    products = jnp.einsum("pti,pto->pio", x_tiles, transforms.gradient_tiles(dy))
    return dx, products.reshape(transformed.shape)


_convolve.defvjp(_convolve_forward, _convolve_backward)


class Convolution(nn.Module):
    """The convolution of an `nn.Conv`, given to it as `conv_general_dilated_cls`."""

    def __call__(self, x, kernel, strides, padding, **options):
        """`convolve` where the `nn.Conv` has a transformed kernel and no stride."""
        assert isinstance(self.parent, nn.Module)
        transformed = kernel_of(self.parent, kernel)
        if transformed is None or strides != (1, 1):
            return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)
        zeros = 1 if padding == "SAME" else padding[0][0]
        return convolve(x, transformed, options["rhs_dilation"][0], zeros)
