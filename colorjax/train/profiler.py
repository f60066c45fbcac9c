"""A trace of some training steps: `profile_steps`."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
from etils import epath


def profile_steps(
    train_step: Callable[..., Any], begin: int, window: range, folder: epath.PathLike
) -> Callable[..., Any]:
    """A `train_step` that process 0 traces with JAX's profiler in steps of `window`.

    The first call is step `begin` + 1. TensorBoard and Perfetto show the files that
    the trace leaves in `folder`.
    """
    window = range(max(window.start, begin + 1), window.stop)
    if not window or jax.process_index() > 0:
        return train_step
    steps = itertools.count(begin + 1)

    def profiled(*arguments: Any) -> Any:
        step = next(steps)
        if step == window.start:
            jax.profiler.start_trace(folder)
        result = train_step(*arguments)
        if step == window[-1]:
            jax.block_until_ready(result)
            jax.profiler.stop_trace()
        return result

    return profiled
