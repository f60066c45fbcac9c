"""pix2pix and CycleGAN against PyTorch: see tests/golden/torch_adversarial.py."""

import flax.traverse_util
import jax
import numpy as np
import optax
import pytest
from golden.weights import examples, fill, variables
from helpers import GOLDEN

from colorjax.methods import cyclegan, pix2pix
from colorjax.train.optim import Adam

OPTIONS = {
    "paper": {},
    "hinge": dict(gan_loss="hinge", norm="batch", r1=2.0),
    "spectral": dict(gan_loss="lsgan", spectral=True),
}


def golden_nets(method, pictures):
    """The golden's values for the variables of the method's nets; pools are empty."""
    abstract = jax.eval_shape(method.init, jax.random.key(0), pictures)

    def value(path, leaf):
        _net, *rest = (key.key for key in path)
        if rest[0] == "pool":
            return np.zeros(leaf.shape, leaf.dtype)
        name = "/".join(rest)
        return variables({name: leaf.shape})[name]

    return jax.tree_util.tree_map_with_path(value, abstract)


def assert_step(method, pictures, theirs):
    """Each loss and its gradients are the golden's, relative 1e-4."""
    nets = golden_nets(method, pictures)
    compared = 0
    for name, loss in method.losses.items():
        (value, _), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(
            nets[name]["params"], nets, pictures, jax.random.key(0)
        )
        np.testing.assert_allclose(value, theirs[name], rtol=1e-4)
        flat = flax.traverse_util.flatten_dict({"params": gradients}, sep="/")
        expected = {k for k in theirs if k.startswith(f"{name}/")}
        assert {f"{name}/{path}" for path in flat} == expected
        for path, ours in flat.items():
            golden = theirs[f"{name}/{path}"]
            error = np.linalg.norm(ours - golden) / np.linalg.norm(golden)
            assert error < 1e-4, (name, path, error)
            compared += 1
    assert compared >= 15


@pytest.mark.parametrize("name", OPTIONS)
def test_pix2pix_step(name):
    golden = np.load(GOLDEN / "pix2pix.npz")
    theirs = {
        key.removeprefix(f"{name}/"): golden[key]
        for key in golden.files
        if key.startswith(f"{name}/")
    }
    small = dict(width=1 / 16, depth=3, patch_layers=2, dropout=0.0)
    method = pix2pix.build(**small, **OPTIONS[name])
    assert_step(method, examples(), theirs)


def test_cyclegan_step():
    method = cyclegan.build(width=1 / 16, blocks=1, patch_layers=2)
    other = {
        "other_lightness": fill("other", (4, 24, 32, 1), 0, 100),
        "other_mask": np.array([1, 0, 1, 1], "f4"),
    }
    theirs = dict(np.load(GOLDEN / "cyclegan.npz"))
    assert_step(method, examples() | other, theirs)


def test_adam_with_linear_decay():
    theirs = np.load(GOLDEN / "optimizers.npz")
    params = {key: theirs[key] for key in ("kernel", "bias")}
    adam = Adam(0.01, decay="linear", hold=2, b1=0.5, b2=0.999)
    optimizer = adam.transformation(steps=5)
    state = optimizer.init(params)
    for step in range(5):
        gradients = {key: theirs[f"{key}_gradients"][step] for key in params}
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        for key, ours in params.items():
            expected = theirs[f"adam_linear_{key}"][step]
            np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)
