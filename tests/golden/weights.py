"""Arrays that depend on a name and a shape alone: `fill`, `variables`, `examples`.

So the golden files need not hold them, and PyTorch and JAX start from the same arrays.
They are made of raw PCG64 words, a stream that NumPy promises not to change.
"""

import zlib
from collections.abc import Mapping

import numpy as np


def fill(name: str, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Float32 numbers in [low, high), the same on every machine."""
    words = np.random.PCG64(zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    unit = (words >> np.uint64(40)).astype(np.float64) / 2**24
    return (low + (high - low) * unit).reshape(shape).astype(np.float32)


def variables(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Plausible values for the leaves of a Flax net, by path, from their shapes."""

    def values(path, shape):
        match path.rsplit("/", 1)[-1]:
            case "kernel":
                bound = (6 / np.prod(shape[:-1])) ** 0.5  # He et al., 2015
                return fill(path, shape, -bound, bound)
            case "bias":
                return fill(path, shape, -0.2, 0.2)
            case "scale" | "gamma":
                return fill(path, shape, 0.5, 1.5)
            case "u":  # of spectral normalization's power iteration
                return fill(path, shape, -1, 1)
            case "sigma":
                return np.ones(shape, "f4")
            case "mean":
                return fill(path, shape, -0.5, 1)
            case "var":
                return fill(path, shape, 0.25, 4)

    return {path: values(path, shape) for path, shape in shapes.items()}


def examples() -> dict[str, np.ndarray]:
    """Four images: random colors; ties, and grey but for one pixel; grey; masked."""
    ab = fill("ab", (4, 24, 32, 2), -110, 110)
    ab[1] = np.round(ab[1] / 110) * 5  # as near to one bin as to another
    ab[1, 1, 2, 0] = 6  # no target, but the image counts
    ab[2] *= 4.99 / 110
    return {
        "lightness": fill("lightness", (4, 24, 32, 1), 0, 100),
        "ab": ab,
        "mask": np.array([1, 1, 1, 0], "f4"),
    }
