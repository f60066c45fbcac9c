"""The starter's net with inputs for hints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from examples import UNIFORM, batch

from colorjax.errors import UserError
from colorjax.method import to_examples
from colorjax.methods import zhang2016
from colorjax.nets.hint_planes import hint_planes, whole_plane


def test_planes_hold_the_mean_hint_of_each_square():
    local = jnp.zeros((1, 6, 8, 3)).at[0, 1, 1].set(jnp.array([22.0, -11.0, 1.0]))
    local = local.at[0, 2, 3].set(jnp.array([44.0, 33.0, 1.0]))  # in the same square
    local = local.at[0, 5, 7].set(jnp.array([11.0, 11.0, 0.5]))
    local = local.at[0, 0, 6].set(jnp.array([90.0, 90.0, 0.0]))  # no hint
    planes = hint_planes(local, 4)
    assert planes.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(planes[0, 0, 0], [0.3, 0.1, 1], rtol=1e-5)
    np.testing.assert_allclose(planes[0, 1, 1], [0.1, 0.1, 0.5], rtol=1e-5)
    assert not planes[0, 0, 1].any() and not planes[0, 1, 0].any()
    everywhere = whole_plane(planes)
    mean = [(0.3 + 0.05) / 1.5, (0.1 + 0.05) / 1.5, 1]
    np.testing.assert_allclose(
        everywhere, jnp.broadcast_to(jnp.array(mean), (1, 2, 2, 3))
    )
    assert not whole_plane(0 * planes).any()


def test_hints_belong_to_the_other_net():
    with pytest.raises(UserError, match="hint_count go with net 'efficientnet_lite0'"):
        zhang2016.build(hint_count=7.0)


@pytest.mark.slow
def test_hints_start_without_effect_and_are_learned():
    """At first the net is that without hints; its gradient reaches their layers."""
    options = dict(net="efficientnet_lite0", width=1 / 16, frozen=7)
    method = zhang2016.build(prior=UNIFORM, hint_count=3.0, **options)
    assert method.inputs == {"lightness", "local"}
    examples, random = to_examples(batch(2, 64)), np.random.default_rng(0)
    nets = jax.eval_shape(method.init, jax.random.key(0), examples)
    nets = jax.tree.map(lambda x: random.normal(0, 0.1, x.shape).astype("f4"), nets)
    params = nets["G"]["params"]
    hints = [key for key in params if key.startswith("hint")]
    assert len(hints) == 4
    for key in hints:
        params[key] = jax.tree.map(np.zeros_like, params[key])
    inputs = {"lightness": examples["lightness"]}
    local = jnp.full((2, 64, 64, 3), 30.0).at[..., 2].set(1.0)
    keys = jax.random.split(jax.random.key(0), 2)
    predict = jax.jit(method.predict)
    plain, hinted = (predict(nets, inputs | x, keys).ab for x in ({}, {"local": local}))
    np.testing.assert_array_equal(plain, hinted)
    gradient = jax.grad(method.losses["G"], has_aux=True)
    gradients, _ = jax.jit(gradient)(params, nets, examples, jax.random.key(1))
    for key in hints:
        assert np.any(gradients[key]["kernel"]), key
