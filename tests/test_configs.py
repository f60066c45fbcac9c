"""Every config in configs/ builds, down to the shapes of a training step."""

import importlib
import inspect

import jax
import numpy as np
import pytest
from examples import UNIFORM, small_mesh
from helpers import ROOT

from colorjax import config as configs
from colorjax.evaluation import protocol
from colorjax.method import abstract_batch, to_examples
from colorjax.train.checkpoint import Checkpoints
from colorjax.train.experiment import make_dataset, make_method, make_optimizer
from colorjax.train.optim import schedule
from colorjax.train.step import make_init, make_step

NAMES = sorted(p.stem for p in (ROOT / "configs").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_builds(name):
    module = importlib.import_module(f"configs.{name}")
    assert f"--config=configs/{name}.py" in inspect.getdoc(module)  # says how to run it
    config = configs.to_dict(module.get_config())
    configs.check_keys(config)
    if name == "folder":  # the user names the folder
        config["data"]["root"] = "pictures"
    pictures = make_dataset(config["data"])
    method = make_method(config["method"], UNIFORM)
    optimizer = make_optimizer(config["optimizer"], config["steps"])
    configs.check_section("checkpoint", Checkpoints, config["checkpoint"], ["workdir"])
    protocol.make_evaluation(config["evaluation"])
    mesh = small_mesh()  # of one device, because a batch may be 1
    batch = abstract_batch(config["batch"], pictures.crop, pictures.unpaired)
    state = jax.eval_shape(make_init(method, optimizer, 0, mesh), batch)
    after, metrics = jax.eval_shape(make_step(method, optimizer, 0, mesh), state, batch)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert metrics["loss"].shape == ()


def test_paper_recipe():
    config = configs.to_dict(importlib.import_module("configs.imagenet").get_config())
    section = config["optimizer"]
    learning_rate = schedule(
        config["steps"], section["learning_rate"], boundaries=section["boundaries"]
    )
    steps = (0, 199_999, 200_001, 374_999, 375_001)
    expected = (3e-5, 3e-5, 1e-5, 1e-5, 3e-6)
    np.testing.assert_allclose([learning_rate(s) for s in steps], expected, rtol=1e-6)


def test_method_size():
    config = configs.to_dict(importlib.import_module("configs.imagenet").get_config())
    method = make_method(config["method"], UNIFORM)
    examples = jax.eval_shape(to_examples, abstract_batch(2, 32))
    nets = jax.eval_shape(method.init, jax.random.key(0), examples)
    count = sum(leaf.size for leaf in jax.tree.leaves(nets["G"]["params"]))
    assert round(count / 1e6, 2) == 32.23
