"""Palette's options: what they train, what they refuse, and ab joined with L."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import scene

from colorjax import methods
from colorjax.config import to_dict
from colorjax.errors import UserError
from colorjax.method import image_keys, to_examples
from colorjax.methods._chroma import join_edges, shrink

SMALL = dict(net="transformer", width=1 / 48, net_options=dict(depth=1), steps=2)
build = functools.partial(methods.builder("palette"), **SMALL)


def examples(side=24):
    images = np.stack([scene(i, side) for i in range(2)])
    return to_examples({"image": jnp.asarray(images), "mask": jnp.ones(2)})


def filled(method, pictures):
    """Nets of random numbers, so that no layer is silent."""
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: random.normal(0, 0.1, leaf.shape).astype(np.float32) ** 2,
        jax.eval_shape(method.init, jax.random.key(0), pictures),
    )


@pytest.mark.parametrize(
    "section",
    [
        dict(space="rgb", objective="epsilon", noise="palette", sampler="ancestral"),
        dict(stride=4, loss="l1", sampler="heun"),
    ],
)
def test_options(section):
    method, pictures = build(**section), examples(22)  # 22 is no multiple of a patch
    nets = filled(method, pictures)
    loss, _ = method.losses["G"](nets["G"]["params"], nets, pictures, jax.random.key(0))
    assert 0 < loss < 1e4
    inputs = {"lightness": pictures["lightness"]}
    ab = method.predict(nets, inputs, image_keys(0, jnp.arange(2))).ab
    assert ab.shape == (2, 22, 22, 2)
    assert jnp.isfinite(ab).all()
    assert jnp.abs(ab[0] - ab[1]).max() > 1


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg_dilated"])
def test_encoder(name):
    """It starts from a run of zhang2016, and what is frozen is not trained."""
    pictures = examples()
    options = dict(width=1 / 8, net=name)
    other = methods.builder("zhang2016")(**options)
    trained = jax.eval_shape(other.init, jax.random.key(0), pictures)["G"]["params"]
    method = build(encoder=name, encoder_width=1 / 8, features=3, frozen=True)
    nets = filled(method, pictures)
    params = nets["G"]["params"]
    same = {
        layer
        for layer in trained
        if all(
            x.shape == y.shape
            for x, y in zip(
                jax.tree.leaves(trained[layer]),
                jax.tree.leaves(params[layer]),
                strict=False,
            )
        )
    }
    assert trained.keys() - same == {"head"}
    gradient, (collections, _) = jax.jit(jax.grad(method.losses["G"], has_aux=True))(
        params, nets, pictures, jax.random.key(0)
    )
    assert collections == {"G": {}}
    silent = {x for x in params if not any(map(np.any, jax.tree.leaves(gradient[x])))}
    lite = name == "efficientnet_lite0"
    assert silent == ({"encoder"} if lite else trained.keys() - {"head"})


def test_an_encoder_that_is_trained_keeps_its_statistics():
    pictures = examples()
    method = build(encoder="vgg_dilated", encoder_width=1 / 32, features=3)
    nets = filled(method, pictures)
    params = nets["G"]["params"]
    gradient, (collections, _) = jax.jit(jax.grad(method.losses["G"], has_aux=True))(
        params, nets, pictures, jax.random.key(0)
    )
    assert np.any(gradient["conv1_1"]["kernel"])
    before, after = nets["G"]["batch_stats"], collections["G"]["batch_stats"]
    assert jax.tree.structure(before) == jax.tree.structure(after)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            dict(net_options=dict(blocks=3)),
            r"config.method.net_options.blocks: no such",
        ),
        (dict(net_options=dict(depth=0)), r"config.method.net_options.depth is 0"),
        (dict(net_options=dict(width=1)), r"config.method.net_options.width: no such"),
        (dict(noise=(1.0,)), r"config.method.noise is 'palette' or a mean and a"),
        (dict(noise=(1.0, 0)), r"config.method.noise is 'palette' or a mean and a"),
    ],
)
def test_wrong_options(section, message):
    with pytest.raises(UserError, match=message):
        build(**section)


def test_the_paper_s_recipe():
    config = to_dict(importlib.import_module("configs.palette").get_config())
    method = methods.builder("palette")(
        **{key: x for key, x in config["method"].items() if key != "name"}
    )
    assert method.stochastic
    assert method.ema == {"G": 0.9999}
    assert config["batch"] * config["steps"] == 1_024_000_000
    optimizer = config["optimizer"]
    assert optimizer == dict(learning_rate=1e-4, warmup=10_000)


def test_ab_follows_the_edges_of_lightness():
    """An edge of ab that is one of L, too, is sharper than it was stored."""
    side = jnp.arange(16) >= 7  # inside a square of 4 pixels
    lightness = jnp.broadcast_to(jnp.where(side, 80.0, 20.0)[:, None], (1, 16, 16, 1))
    ab = jnp.broadcast_to(jnp.where(side, 30.0, -10.0)[:, None], (1, 16, 16, 2))
    np.testing.assert_array_equal(join_edges(ab, lightness, 1), ab)
    stored = shrink(ab, 4)
    assert stored.shape == (1, 4, 4, 2)
    smooth = jax.image.resize(stored, ab.shape, "linear")
    joined = join_edges(stored, lightness, 4)
    assert jnp.abs(joined - ab).mean() < jnp.abs(smooth - ab).mean() / 3
    flat = jnp.full((1, 5, 4, 2), 7.0)  # of 18 x 15 pixels
    light = jax.random.uniform(jax.random.key(0), (1, 18, 15, 1), maxval=100)
    np.testing.assert_allclose(
        join_edges(flat, light, 4), jnp.full((1, 18, 15, 2), 7.0)
    )
