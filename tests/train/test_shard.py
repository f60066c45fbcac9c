"""`step.shard`: each device holds a part of the state, and the result is the same."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal
from examples import batch, small_mesh
from helpers import TINY

from colorjax.distributed import gather, shard_batch
from colorjax.method import Method
from colorjax.train.checkpoint import Checkpoints
from colorjax.train.experiment import Experiment
from colorjax.train.step import StepOptions, make_init, make_step

MESH = small_mesh(4)
DEVICES = 4


def init(key, examples):
    keys = jax.random.split(key, 3)
    g = {"w": jax.random.normal(keys[0], (192, 64)), "odd": jnp.ones((33, 35))}
    return {
        "D": {"params": {"w": jax.random.normal(keys[1], (64, 30)), "b": jnp.ones(16)}},
        "G": {"params": g, "batch_stats": {"mean": jnp.zeros((64, 64))}},
    }


def features(params, examples):
    return jnp.tanh(examples["rgb"].reshape(len(examples["rgb"]), -1) @ params["w"])


def critic_loss(params, nets, examples, key):
    hidden = features(nets["G"]["params"], examples)
    return jnp.square(hidden @ params["w"] - params["b"].mean()).mean(), ({}, {})


def loss(params, nets, examples, key):
    hidden = features(params, examples)
    noise = jax.random.normal(key, hidden.shape)
    value = jnp.square((hidden + 0.1 * noise) @ nets["D"]["params"]["w"]).mean()
    value += jnp.square(params["odd"]).mean()
    mean = jnp.broadcast_to(hidden.mean(0), (64, 64))
    return value, ({"G": {"batch_stats": {"mean": mean}}}, {"loss": value})


METHOD = Method(init, {"D": critic_loss, "G": loss}, loss, ema={"G": 0.5})
OPTIMIZER = optax.adamw(1e-2, eps=1e-3)  # so that Adam does not amplify rounding


def states(**options):
    """The states at first and after each of two steps."""
    options = StepOptions(**options)
    images = shard_batch(batch(8, 8), MESH)
    result = [make_init(METHOD, OPTIMIZER, 0, MESH, options)(images)]
    step = make_step(METHOD, OPTIMIZER, 0, MESH, options)
    for _ in range(2):
        state, metrics = step(jax.tree.map(jnp.copy, result[-1]), images)
        assert np.isfinite(metrics["loss"])
        result.append(state)
    return result


def assert_in_parts(state):
    """Params, moments and averages lie in parts, unless they are small or no axis can
    be divided; the rest is whole."""
    split = set()
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if leaf.addressable_shards[0].data.size == leaf.size // DEVICES:
            split.add(name)
        else:
            assert leaf.sharding.is_fully_replicated, name
    moments = [f"optimizers/{net}/0/{x}/w" for net in "DG" for x in ("mu", "nu")]
    params = [f"nets/{net}/params/w" for net in "DG"]
    assert split == {*moments, *params, "averages/G/w"}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_state_in_parts_equals_the_whole_one(accumulate):
    whole = states(accumulate=accumulate)
    parts = states(accumulate=accumulate, shard=True)
    for ours, theirs in zip(parts, whole, strict=True):
        assert_in_parts(ours)
        assert_trees_all_close(gather(ours, MESH), theirs, rtol=1e-4, atol=1e-6)
    moved = np.abs(
        whole[2].nets["G"]["params"]["w"] - whole[0].nets["G"]["params"]["w"]
    )
    assert moved.max() > 1e-3


def test_checkpoints_are_interchangeable(tmp_path):
    """A run with the other placement goes on from them."""
    data = dict(root="pictures", resize=16, crop=16)
    experiments = [
        Experiment.from_config(
            TINY | dict(data=data, batch=8, step=dict(shard=shard)), MESH
        )
        for shard in (False, True)
    ]
    shapes = [jax.tree.map(lambda x: x.sharding, x.abstract_state) for x in experiments]
    assert not all(x.is_fully_replicated for x in jax.tree.leaves(shapes[1]))
    for n, (first, second) in enumerate((experiments, experiments[::-1])):
        place = jax.tree.map(lambda x: x.sharding, first.abstract_state)
        random = np.random.default_rng(0)
        state = jax.tree.map(
            lambda x, to, random=random: jax.device_put(
                random.normal(size=x.shape).astype(x.dtype), to
            ),
            first.abstract_state,
            place,
        )
        checkpoints = Checkpoints(tmp_path / str(n))
        checkpoints.save(1, state)
        checkpoints.close()
        checkpoints = Checkpoints(tmp_path / str(n))
        restored = checkpoints.restore(1, second.abstract_state)
        checkpoints.close()
        assert_trees_all_equal(gather(restored, MESH), gather(state, MESH))
        assert jax.tree.map(lambda x: x.sharding, restored) == shapes[1 - n]
