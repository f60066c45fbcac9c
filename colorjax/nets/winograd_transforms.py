"""The linear transforms of `nets.winograd`, with the names of the paper's matrices.

`transform_kernel` and its transpose `kernel_gradient`, `input_tiles`, `output_image`,
`gradient_tiles`. They work on grids of 4x4 arrays, one for each product of a tile;
`stack` and `unstack` bring these into the form of a batched matrix product.
"""

import jax.numpy as jnp


def transform_kernel(kernel):
    """G g G^T of a kernel [3 3 i o], as [4 4 i o]."""
    return _along_both(_kernels, kernel)


def kernel_gradient(d):
    """G^T d G of d [4 4 i o], as [3 3 i o]."""
    return _along_both(_kernel_gradients, d)


def _along_both(change, grid):
    """`change`, a function of a line of arrays, of the columns and then of the rows."""
    rows = zip(*(change(*column) for column in zip(*grid, strict=True)), strict=True)
    return jnp.stack([jnp.stack(change(*row)) for row in rows])


def exchange(grid):
    """4x4 arrays with the first and last rows and columns exchanged."""
    return [[grid[i][j] for j in (3, 1, 2, 0)] for i in (3, 1, 2, 0)]


def stack(grid):
    """4x4 arrays of tiles as one, [16 tiles c]."""
    parts = [part for row in grid for part in row]
    return jnp.stack(parts).reshape(16, -1, parts[0].shape[-1])


def unstack(products, shape, padding):
    """[16 tiles c] as 4x4 arrays [b rows columns c] for an image of this shape."""
    size = shape[0], *_counts(shape, padding)
    return [list(row) for row in products.reshape(4, 4, *size, -1)]


def _counts(shape, padding):
    """The numbers of rows and columns of tiles of an image [b h w c]."""
    return (-(-(n + 2 * padding - 2) // 2) for n in shape[1:3])


def input_tiles(x, padding):
    """B^T d B for each tile of 4x4 pixels of x [b h w i], which gets `padding` zeros on
    each side, as 4x4 arrays [b rows columns i]."""
    _, h, w, channels = x.shape
    rows, columns = _counts(x.shape, padding)
    down, right = 2 * rows + 2 - h - padding, 2 * columns + 2 - w - padding
    x = jnp.pad(x, ((0, 0), (padding, down), (padding, right), (0, 0)))
    x = x.reshape(-1, rows + 1, 2, columns + 1, 2, channels)
    return [
        _inputs(
            row[:, :, :-1, 0], row[:, :, :-1, 1], row[:, :, 1:, 0], row[:, :, 1:, 1]
        )
        for row in _inputs(x[:, :-1, 0], x[:, :-1, 1], x[:, 1:, 0], x[:, 1:, 1])
    ]


def output_image(products, shape, padding):
    """A^T m A for the products m of all tiles of an image of this shape, as one image.

    `products` are 4x4 arrays [b rows columns o].
    """
    b, h, w, _ = shape
    columns = [_outputs(*column) for column in zip(*products, strict=True)]
    rows = zip(*columns, strict=True)
    y = jnp.stack([jnp.stack(_outputs(*row), axis=3) for row in rows], axis=2)
    y = y.reshape(b, 2 * y.shape[1], 2 * y.shape[3], -1)  # from [b rows 2 columns 2 o]
    return y[:, : h + 2 * padding - 2, : w + 2 * padding - 2]


def gradient_tiles(dy):
    """A dY A^T for each tile of 2x2 outputs, as [16 tiles o]."""
    b, h, w, channels = dy.shape
    dy = jnp.pad(dy, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    dy = dy.reshape(b, -(-h // 2), 2, -(-w // 2), 2, channels)
    return stack(
        [
            _products(row[:, :, :, 0], row[:, :, :, 1])
            for row in _products(dy[:, :, 0], dy[:, :, 1])
        ]
    )


def _kernels(g0, g1, g2):
    """G g: what four products take of the three values of a kernel along an axis."""
    outer, inner = (g0 + g2) / 2, g1 / 2
    return g0, outer + inner, outer - inner, g2


def _kernel_gradients(d0, d1, d2, d3):
    """G^T d: the transpose of `_kernels`."""
    outer = (d1 + d2) / 2
    return d0 + outer, (d1 - d2) / 2, outer + d3


def _inputs(d0, d1, d2, d3):
    """B^T d: the four sums of four pixels along an axis."""
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


def _outputs(m0, m1, m2, m3):
    """A^T m: two pixels along an axis from four products."""
    return m0 + m1 + m2, m1 - m2 - m3


def _products(y0, y1):
    """A y: the transpose of `_outputs`."""
    return y0, y0 + y1, y0 - y1, -y1
