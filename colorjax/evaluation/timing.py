"""How long a model takes for an image: `time_prediction`."""

import statistics
import time

import jax
import jax.numpy as jnp

from colorjax.evaluation.engine import Predictor
from colorjax.method import image_keys

CALLS = 7  # of which the median counts


def time_prediction(predictor: Predictor, side: int) -> float:
    """The milliseconds in which a model predicts one image of `side` x `side` pixels.

    It is the median of `CALLS` predictions of one image alone on one device. Compiling,
    reading and writing are not in it.
    """
    predict, nets = jax.jit(predictor.predict), jax.device_put(predictor.nets)
    inputs = {"lightness": jnp.full((1, side, side, 1), 50.0)}
    keys = image_keys(0, jnp.arange(1))
    jax.block_until_ready(predict(nets, inputs, keys))
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        jax.block_until_ready(predict(nets, inputs, keys))
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)
