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
from colorjax.train.experiment import Experiment, make_adam, make_method

# Long to trace, and like others that are not slow.
SLOW = (
    "cifar10_cyclegan",
    "cifar10_ddcolor",
    "cifar10_pix2pix",
    "cifar10_zhang2017",
    "control_color",
    "distill",
    "palette",
    "palette_ab",
    "starter_hints",
    "zhang2017_automatic",
)
NAMES = sorted(p.stem for p in (ROOT / "configs").glob("[a-z]*.py"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=[pytest.mark.slow] * (x in SLOW)) for x in NAMES],
)
def test_builds(name, minilm):
    module = importlib.import_module(f"configs.{name}")
    assert f"--config=configs/{name}.py" in inspect.getdoc(module)  # says how to run it
    config = configs.to_dict(module.get_config())
    if name in ("folder", "distill"):  # the user names the folder
        config["data"]["root"] = "pictures"
    protocol.make_evaluation(config["evaluation"])
    experiment = Experiment.from_config(config, small_mesh())  # a batch may be 1
    train_step = experiment.make_step(UNIFORM)
    state = experiment.abstract_state
    after, metrics = jax.eval_shape(train_step, state, experiment.abstract_batch)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert metrics["loss"].shape == ()


def test_paper_recipe():
    config = configs.to_dict(importlib.import_module("configs.imagenet").get_config())
    learning_rate = make_adam(config["optimizer"]).schedule(config["steps"])
    steps = (0, 199_999, 200_001, 374_999, 375_001)
    expected = (3e-5, 3e-5, 1e-5, 1e-5, 3e-6)
    np.testing.assert_allclose([learning_rate(s) for s in steps], expected, rtol=1e-6)


def test_method_size():
    config = configs.to_dict(importlib.import_module("configs.imagenet").get_config())
    method = make_method(config["method"])
    examples = jax.eval_shape(to_examples, abstract_batch(2, 32))
    nets = jax.eval_shape(method.init, jax.random.key(0), examples)
    count = sum(leaf.size for leaf in jax.tree.leaves(nets["G"]["params"]))
    assert round(count / 1e6, 2) == 32.23


@pytest.mark.parametrize("name", SLOW)
def test_options_are_known(name):
    """What `test_builds` finds before it traces."""
    config = configs.to_dict(importlib.import_module(f"configs.{name}").get_config())
    configs.check_keys(config)
    assert make_method(config["method"]).losses
    assert make_adam(config["optimizer"]).schedule(config["steps"])(0) >= 0
