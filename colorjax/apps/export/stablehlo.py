"""A run as StableHLO, through `jax.export`: `serialize`, `load`.

Such a file is read by `jax.export.deserialize` where there is JAX and no colorjax, on
any platform, for at least the half year that JAX promises.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import export

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def serialize(colorize: Callable) -> bytes:
    """The function of `colorizing`, with its weights, as bytes."""
    shape = export.symbolic_shape("batch, height, width, 3")
    rgb = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = export.export(jax.jit(colorize), platforms=PLATFORMS)(rgb)
    return bytes(exported.serialize())


def load(data: bytes) -> Callable:
    """The function again."""
    return export.deserialize(bytearray(data)).call
