"""colorjax against goldens of PyTorch: see tests/golden/make_torch.py."""

import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden.weights import examples, fill, variables
from helpers import GOLDEN

from colorjax.methods import regression, zhang2016
from colorjax.nets import layers
from colorjax.nets.vgg_dilated import VGGDilated
from colorjax.quantize import rebalancing_weights
from colorjax.train.optim import Adam

ROUNDING = 1e-12  # a gradient that is zero but for rounding is below it


def golden(name):
    return np.load(GOLDEN / f"{name}.npz")


def assert_near(ours, theirs, tolerance):
    """The norm of the difference is at most `tolerance` of that of the golden."""
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs)


def flat(tree):
    return flax.traverse_util.flatten_dict(tree, sep="/")


def golden_variables(init, inputs):
    """The golden's values for the variables that `init(key, inputs)` makes."""
    leaves = flat(jax.eval_shape(init, jax.random.key(0), inputs))
    values = variables({path: leaf.shape for path, leaf in leaves.items()})
    return flax.traverse_util.unflatten_dict(values, sep="/")


def loss_and_gradients(method):
    """Of the method's loss in the parameters of its net."""
    nets = {"G": golden_variables(lambda *args: method.init(*args)["G"], examples())}
    loss = jax.value_and_grad(method.losses["G"], has_aux=True)
    (value, _), gradients = jax.jit(loss)(
        nets["G"]["params"], nets, examples(), jax.random.key(0)
    )
    return value, flat({"params": gradients})


def assert_gradients(gradients, theirs):
    assert gradients.keys() == {key for key in theirs if key.startswith("params/")}
    for path, gradient in gradients.items():
        assert_near(gradient, theirs[path], 1e-4)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_network(mode):
    theirs = golden("network")
    net = VGGDilated(outputs=8, width=1 / 32, dtype=jnp.dtype("float32"))
    values = golden_variables(net.init, theirs["lightness"])
    apply = functools.partial(net.apply, train=mode == "train", mutable=["batch_stats"])
    output, _ = jax.jit(apply)(values, theirs["lightness"])
    np.testing.assert_allclose(output, theirs[mode], rtol=1e-4, atol=1e-4)


def test_transposed_conv():
    theirs = golden("transposed_conv")
    x, kernel = jnp.asarray(theirs["x"]), jnp.asarray(theirs["kernel"])
    y, pull = jax.vjp(layers.transposed_conv, x, kernel)
    dx, dkernel = pull(jnp.asarray(theirs["gradient"]))
    for ours, name in ((y, "y"), (dx, "dx"), (dkernel, "dkernel")):
        np.testing.assert_allclose(ours, theirs[name], rtol=1e-4, atol=1e-5)


def test_zhang2016_loss_in_the_logits():
    theirs = golden("zhang2016")
    weights = rebalancing_weights(jnp.asarray(theirs["prior"]))
    logits = fill("logits", (4, 6, 8, 313), -6, 6)
    loss = functools.partial(zhang2016.rebalanced_loss, neighbors=5, sigma=5.0)
    (value, _), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        logits, {key: jnp.asarray(x) for key, x in examples().items()}, weights
    )
    np.testing.assert_allclose(value, theirs["logits_loss"], rtol=1e-5)
    for ours, golden_gradient in zip(gradient, theirs["logits"], strict=True):
        assert_near(ours, golden_gradient, 1e-4)


def test_zhang2016_gradients():
    theirs = golden("zhang2016")
    method = zhang2016.build(prior=theirs["prior"], width=1 / 32)
    loss, gradients = loss_and_gradients(method)
    np.testing.assert_allclose(loss, theirs["loss"], rtol=1e-5)
    assert_gradients(gradients, theirs)


def test_regression_gradients():
    theirs = golden("regression")
    method = regression.build(width=1 / 64)
    loss, gradients = loss_and_gradients(method)
    np.testing.assert_allclose(loss, theirs["loss"], rtol=1e-5)
    assert_gradients(gradients, theirs)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_optimizer(name):
    theirs = golden("optimizers")
    params = {key: jnp.asarray(theirs[key]) for key in ("kernel", "bias")}
    adam = Adam(0.01, b2=0.99, weight_decay=1e-3, decoupled=name == "adamw")
    optimizer = adam.transformation(steps=5)
    state = optimizer.init(params)
    for step in range(5):
        gradients = {key: theirs[f"{key}_gradients"][step] for key in params}
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        for key, ours in params.items():
            expected = theirs[f"{name}_{key}"][step]
            np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_goldens_are_reproducible(tmp_path):
    pytest.importorskip("torch")
    from golden import make_torch

    make_torch.main(tmp_path)
    names = {path.name for path in GOLDEN.glob("*.npz")}
    assert names == {path.name for path in tmp_path.iterdir()}
    for name in names:
        with np.load(GOLDEN / name) as old, np.load(tmp_path / name) as new:
            assert old.files == new.files
            for key in old.files:
                if np.abs(old[key]).max() < ROUNDING:
                    assert np.abs(new[key]).max() < ROUNDING, key
                else:
                    assert_near(new[key], old[key], 1e-6)
