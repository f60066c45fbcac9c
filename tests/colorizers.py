"""Colorizers with random weights, for tests of what is done with them."""

import jax
import numpy as np

from colorjax import methods
from colorjax.colorize import Colorizer
from colorjax.method import to_examples
from colorjax.quantize import Q

UNIFORM = np.full(Q, 1 / Q, np.float32)


def random_nets(method):
    """Nets that have seen two pictures of noise."""
    random = np.random.default_rng(0)
    batch = {"image": random.integers(0, 256, (2, 32, 32, 3), np.uint8)}
    return jax.jit(method.init)(jax.random.key(0), to_examples(batch))


def random_colorizer(name: str, **settings) -> Colorizer:
    """One that sees pictures of 32 pixels; `settings` are the method's."""
    method = methods.builder(name)(UNIFORM, width=1 / 16, **settings)
    return Colorizer(method, random_nets(method), 32, "runs/x, step 1")
