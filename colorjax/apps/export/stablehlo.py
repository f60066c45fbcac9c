"""A run as StableHLO, through `jax.export`.

`jax.export.deserialize` reads the file on any platform, without colorjax. JAX promises
to read it for at least six months.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import export

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def serialize(colorize: Callable) -> bytes:
    """The function of `make_colorize`, with its weights, as bytes."""
    shape = export.symbolic_shape("batch, height, width, 3")
    rgb = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = export.export(jax.jit(colorize), platforms=PLATFORMS)(rgb)
    return bytes(exported.serialize())


def load(data: bytes) -> Callable:
    """The function that `serialize` wrote."""
    return export.deserialize(bytearray(data)).call
