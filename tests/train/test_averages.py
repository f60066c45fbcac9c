"""Averages of weights: what training keeps, what predicts, and older checkpoints."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal
from examples import UNIFORM, batch, small_mesh
from helpers import TINY
from orbax.checkpoint import v1 as ocp

from colorjax import files
from colorjax.distributed import shard_batch
from colorjax.method import Method
from colorjax.methods import pix2pix
from colorjax.train.checkpoint import Checkpoints, load_nets
from colorjax.train.experiment import Experiment
from colorjax.train.initialize import initialize_from
from colorjax.train.step import make_init, make_step


def method(decay):
    """A tiny method, whose loss is NaN where image number 4 is among the examples."""

    def init(key, examples):
        return {name: {"params": {"w": jnp.ones(3)}} for name in ("D", "G")}

    def loss(params, nets, examples, key):
        bad = (examples["index"] == 4).any()
        value = (examples["rgb"].mean((0, 1, 2)) * params["w"]).sum()
        return jnp.where(bad, jnp.nan, value), ({}, {})

    return Method(init, {"D": loss, "G": loss}, loss, ema={"G": decay})


@pytest.mark.parametrize("decay", [0.2, 0.999])
def test_average_of_the_good_steps(decay):
    """It begins with the first weights, whose share is soon small; a skipped step does
    not count."""
    mesh, optimizer = small_mesh(), optax.sgd(1.0)
    good = shard_batch(batch(4, 8), mesh)
    bad = {**good, "index": good["index"] + 1}
    state = make_init(method(decay), optimizer, 0, mesh)(good)
    step = make_step(method(decay), optimizer, 0, mesh)
    expected, first, good_steps = np.ones(3), 1.0, 0
    for pictures in (good, bad, good, bad, good):
        state, _ = step(state, pictures)
        weights = np.asarray(state.nets["G"]["params"]["w"])
        if pictures is good:
            good_steps += 1
            share = min(decay, good_steps / (9 + good_steps))
            expected = share * expected + (1 - share) * weights
            first *= share
        np.testing.assert_allclose(state.averages["G"]["w"], expected, rtol=1e-5)
    assert first < 0.01 and set(state.averages) == {"G"}
    nets = state.predicting_nets
    assert nets["G"]["params"] is state.averages["G"]
    assert nets["D"] is state.nets["D"]


def test_a_run_that_starts_from_another_averages_from_there_on():
    mesh, other = small_mesh(), np.float32([4, 5, 6])
    images = shard_batch(batch(4, 8), mesh)
    state = make_init(method(0.9), optax.sgd(0.1), 0, mesh)(images)
    state, *_ = initialize_from(state, {"G": {"params": {"w": other}}})
    np.testing.assert_array_equal(state.averages["G"]["w"], other)
    step = make_step(method(0.9), optax.sgd(0.1), 0, mesh)
    step(state, images)  # it may use each buffer of the state again


class OldState(NamedTuple):
    """The state of a run of colorjax 0.1."""

    step: Any
    nets: Any
    optimizers: Any
    skipped: Any
    skipped_in_row: Any


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("ema", [0.9, 0.0])
def test_checkpoints_of_version_0_1(ema, count, tmp_path):
    """The sum of pix2pix becomes an average without bias. A run without averages is
    restored as it is."""
    section = dict(name="pix2pix", width=1 / 16, depth=2, patch_layers=1, ema=ema)
    data = dict(root="pictures", resize=16, crop=16)
    config = TINY | dict(method=section, data=data)
    mesh = small_mesh()
    experiment = Experiment.from_config(config, mesh)
    state = experiment.init(shard_batch(batch(4, 16), mesh))
    nets, params = dict(state.nets), state.nets["G"]["params"]
    if ema:
        total = jax.tree.map(lambda x: 0.5 * x + 1, params)
        sums = {"count": jnp.int32(count), "ema": total}
        nets["G"] = {**nets["G"], "ema": sums}
    files.write_json(tmp_path / "config.json", config)
    with ocp.training.Checkpointer(tmp_path / "checkpoints") as orbax:
        orbax.save(7, OldState(*state._replace(nets=nets)[:5]))
    expected = params
    if ema and count:
        expected = jax.tree.map(lambda x: x / (1 - ema**count), total)
    checkpoints = Checkpoints(tmp_path)
    restored = checkpoints.restore(7, experiment.abstract_state)
    checkpoints.close()
    assert_trees_all_equal(restored[:5], state[:5])
    assert set(restored.averages) == ({"G"} if ema else set())
    assert_trees_all_close(restored.predicting_nets["G"]["params"], expected, rtol=1e-5)
    step, loaded = load_nets(tmp_path, names=["G"])
    assert step == 7 and set(loaded) == {"G"} and "ema" not in loaded["G"]
    assert_trees_all_close(loaded["G"]["params"], expected, rtol=1e-5)
    experiment.make_step(UNIFORM)(restored, shard_batch(batch(4, 16), mesh))


def test_decay_of_pix2pix_is_that_of_its_generator():
    assert pix2pix.build(ema=0.5).ema == {"G": 0.5}
    assert pix2pix.build().ema == {}
