"""Zhang et al. 2017: losses and gradients against PyTorch, and what the net sees."""

import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.siggraph17_tensors import HEADS, TRAINED
from golden.weights import examples, variables
from helpers import GOLDEN

from colorjax.errors import UserError
from colorjax.methods import zhang2017
from colorjax.nets.siggraph17 import Siggraph17


def golden_variables(net, width):
    """The golden's values for the variables of a net."""
    shapes = (1, width, width, 1), (1, width, width, 3), (1, 314)
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    leaves = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    flat = flax.traverse_util.flatten_dict(leaves, sep="/")
    values = variables({path: leaf.shape for path, leaf in flat.items()})
    return flax.traverse_util.unflatten_dict(values, sep="/")


@pytest.mark.slow
@pytest.mark.parametrize("stage", HEADS)
def test_losses_and_gradients(stage, monkeypatch):
    """See tests/golden/torch_siggraph17.py."""
    theirs = np.load(GOLDEN / "siggraph17.npz")
    method = zhang2017.build(
        width=TRAINED, hints="both", stage=stage, head=HEADS[stage]
    )
    hints = {key: jnp.asarray(theirs[key]) for key in ("local", "globe")}
    monkeypatch.setattr(zhang2017, "no_hints", lambda lightness: hints)
    monkeypatch.setattr(zhang2017, "simulate", lambda *args: hints["local"])
    monkeypatch.setattr(zhang2017, "simulate_globe", lambda *args: hints["globe"])
    nets = {"G": golden_variables(Siggraph17(TRAINED, True, HEADS[stage]), 8)}
    loss = jax.value_and_grad(method.losses["G"], has_aux=True)
    pictures = {key: jnp.asarray(x) for key, x in examples().items()}
    (value, _), gradients = jax.jit(loss)(
        nets["G"]["params"], nets, pictures, jax.random.key(0)
    )
    np.testing.assert_allclose(value, theirs[f"{stage}/loss"], rtol=1e-5)
    flat = flax.traverse_util.flatten_dict({stage: {"params": gradients}}, sep="/")
    expected = {key for key in theirs if key.startswith(f"{stage}/params")}
    assert flat.keys() == expected
    for name, ours in flat.items():
        error = np.linalg.norm(ours - theirs[name])
        assert error <= 1e-4 * np.linalg.norm(theirs[name]), name


@functools.cache
def nets():
    return {"G": golden_variables(Siggraph17(TRAINED, True), 8)}


def test_a_hint_changes_its_surroundings_and_a_faint_one_nothing():
    method = zhang2017.build(width=TRAINED, hints="both")
    inputs = {"lightness": jnp.full((3, 16, 16, 1), 50.0)}
    faint = jnp.array([60.0, 20.0, 0.4])
    local = jnp.zeros((3, 16, 16, 3)).at[1, 4, 4].set(faint.at[2].set(1.0))
    inputs["local"] = local.at[2, 4, 4].set(faint)
    keys = jax.random.split(jax.random.key(0), 3)
    ab = jax.jit(method.predict)(nets(), inputs, keys).ab
    np.testing.assert_array_equal(ab[0], ab[2])
    assert (ab[0] != ab[1]).any(-1).mean() > 0.5


def test_inputs_and_outputs_are_those_of_the_options():
    for hints, names in (("local", {"local"}), ("globe", {"globe"})):
        assert zhang2017.build(hints=hints).inputs == names | {"lightness"}
    assert zhang2017.build(hints="both", stage="automatic").inputs == {"lightness"}
    method = zhang2017.build(width=TRAINED, hints="both", output="classes")
    inputs = {"lightness": jnp.zeros((1, 16, 24, 1))}
    keys = jax.random.split(jax.random.key(0), 1)
    found = jax.eval_shape(method.predict, nets(), inputs, keys)
    assert found.ab.shape == (1, 16, 24, 2) and found.logits.shape == (1, 4, 6, 313)
    with pytest.raises(UserError, match="hint_count is 0"):
        zhang2017.build(hint_count=0.0)
    for section in (dict(output="classes"), dict(stage="automatic")):
        with pytest.raises(UserError, match="need a distribution"):
            zhang2017.build(head="none", **section)


def test_size():
    inputs = [
        jax.ShapeDtypeStruct(s, jnp.float32)
        for s in ((1, 8, 8, 1), (1, 8, 8, 3), (1, 314))
    ]
    params = jax.eval_shape(Siggraph17().init, jax.random.key(0), *inputs)["params"]
    # The published net has 34,187,027, with 529 instead of 313 colors.
    assert sum(x.size for x in jax.tree.leaves(params)) == 34_187_027 - 216 * 257
