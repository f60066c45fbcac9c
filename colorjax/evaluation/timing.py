"""How long a model takes for an image: `time_run`."""

import statistics
import time

import jax
import jax.numpy as jnp

from colorjax.method import image_keys
from colorjax.train.workdir import Run

CALLS = 7  # of which the median counts


def time_run(run: Run, side: int) -> float:
    """The milliseconds in which a run predicts one image of `side` x `side` pixels.

    It is the median of `CALLS` predictions of one image alone on one device. Compiling,
    reading and writing are not in it.
    """
    predict = jax.jit(run.method.predict)
    nets = jax.device_put(run.nets)
    inputs = {"lightness": jnp.full((1, side, side, 1), 50.0)}
    keys = image_keys(0, jnp.arange(1))
    jax.block_until_ready(predict(nets, inputs, keys))
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        jax.block_until_ready(predict(nets, inputs, keys))
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)
