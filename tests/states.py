"""Read the checkpoints and the log of a run, to compare runs."""

import json
from pathlib import Path

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp


def saved_state(workdir: Path, step: int) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint by their path in the state: "nets/G/params/..."."""
    with ocp.training.Checkpointer(workdir / "checkpoints") as orbax:
        stored = orbax.metadata(step).metadata
        like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), stored)
        state = orbax.load(step, like)
    leaves = jax.tree_util.tree_leaves_with_path(state)
    name = jax.tree_util.keystr
    return {name(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def logged_losses(workdir: Path) -> dict[int, float]:
    """The loss by logged step."""
    lines = map(json.loads, (workdir / "log.jsonl").read_text().splitlines())
    return {line["step"]: line["loss"] for line in lines}


def assert_same_run(actual: Path, expected: Path, steps: int) -> None:
    """Assert that two runs have equal states after `steps`, and equal losses."""
    a, b = saved_state(actual, steps), saved_state(expected, steps)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
    assert logged_losses(actual) == logged_losses(expected)
    assert max(logged_losses(actual)) == steps
