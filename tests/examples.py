"""Batches, meshes and priors that tests share. Imports JAX, unlike `helpers`."""

from functools import partial
from unittest import mock

import jax
import numpy as np
from helpers import scene

from colorjax.method import Method, Nets, image_keys
from colorjax.quantize import Q

UNIFORM = np.full(Q, 1 / Q, np.float32)  # a prior of bins


def batch(size: int = 4, side: int = 32, other: bool = False) -> dict[str, np.ndarray]:
    """A batch as the pipeline makes it: `scene(0)`, `scene(1)`, ..., all readable.

    With `other` a second set of scenes is in it, as for methods without pairs.
    """
    images = np.stack([scene(i, side) for i in range(2 * size if other else size)])
    index = np.arange(size, dtype=np.int32)
    examples = dict(image=images[:size], index=index, label=index)
    examples["mask"] = np.ones(size, np.float32)
    if other:
        examples |= dict(other=images[size:], other_index=index)
        examples["other_mask"] = np.ones(size, np.float32)
    return examples


def assert_same(batches, others):
    """The same batches, bit for bit."""
    for batch, other in zip(batches, others, strict=True):
        for key in ("image", "mask", "index"):
            assert batch[key].dtype == other[key].dtype
            np.testing.assert_array_equal(batch[key], other[key])


def predict(method: Method, nets: Nets, lightness: np.ndarray, first: int = 0):
    """The prediction of a method for images that are numbered from `first` on."""
    keys = image_keys(0, first + jax.numpy.arange(len(lightness)))
    return _predict(method, nets, {"lightness": lightness}, keys)


@partial(jax.jit, static_argnums=0)
def _predict(method, nets, inputs, keys):
    return method.predict(nets, inputs, keys)


def as_process(index: int, count: int):
    """A context in which this process takes itself for one of several."""
    return mock.patch.multiple(
        jax, process_index=lambda: index, process_count=lambda: count
    )


def small_mesh(devices: int = 1) -> jax.sharding.Mesh:
    """The first so many of the four virtual devices."""
    return jax.sharding.Mesh(jax.devices()[:devices], ("data",))
