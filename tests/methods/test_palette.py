"""Palette's options: what they train, what they refuse, and ab joined with L."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import PALETTE, scene

from colorjax import methods
from colorjax.config import to_dict
from colorjax.errors import UserError
from colorjax.method import image_keys, to_examples
from colorjax.methods._chroma import join_edges
from colorjax.nets.layers import shrink

build = functools.partial(
    methods.builder("palette"), **{k: v for k, v in PALETTE.items() if k != "name"}
)


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


def test_options_of_the_paper_at_any_size():
    method = build(
        space="rgb",
        objective="epsilon",
        noise="palette",
        sampler="ancestral",
        loss="l1",
        stride=2,
    )
    pictures = examples(22)  # no multiple of a patch
    nets = filled(method, pictures)
    loss, _ = jax.jit(method.losses["G"])(
        nets["G"]["params"], nets, pictures, jax.random.key(0)
    )
    assert 0 < loss < 1e4
    inputs, keys = {"lightness": pictures["lightness"]}, image_keys(0, jnp.arange(2))
    ab = jax.jit(method.predict)(nets, inputs, keys).ab
    assert ab.shape == (2, 22, 22, 2)
    assert jnp.isfinite(ab).all()
    assert jnp.abs(ab[0] - ab[1]).max() > 1


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg_dilated"])
def test_an_encoder_has_the_names_and_shapes_of_zhang2016(name):
    """So `init_from` starts it from such a run, but for the head."""

    def params(method):
        nets = jax.eval_shape(method.init, jax.random.key(0), examples())
        return dict(jax.tree_util.tree_leaves_with_path(nets["G"]["params"]))

    theirs = params(methods.builder("zhang2016")(net=name, width=1 / 8))
    ours = params(build(encoder=name, encoder_width=1 / 8, features=3))
    other = {path for path, x in theirs.items() if ours[path].shape != x.shape}
    assert {path[0].key for path in other} == {"head"}


def test_what_is_frozen_is_not_trained():
    pictures, options = examples(), dict(encoder_width=1 / 64, features=3)
    method = build(encoder="vgg_dilated", frozen=True, **options)
    nets = filled(method, pictures)
    params, key = nets["G"]["params"], jax.random.key(0)
    gradient, (collections, _) = jax.jit(jax.grad(method.losses["G"], has_aux=True))(
        params, nets, pictures, key
    )
    assert collections == {"G": {}}
    still = {x for x in params if not any(map(np.any, jax.tree.leaves(gradient[x])))}
    assert still == params.keys() - {"head", "denoiser"}
    trained = build(encoder="vgg_dilated", **options).losses["G"]
    _, (collections, _) = jax.eval_shape(trained, params, nets, pictures, key)
    assert "batch_stats" in collections["G"]


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
        (dict(noise=(1.0, 0.0)), r"config.method.noise is 'palette' or a mean and a"),
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
    assert jnp.abs(joined - ab).mean() < jnp.abs(smooth - ab).mean() / 2
    flat = jnp.full((1, 5, 4, 2), 7.0)  # of 18 x 15 pixels
    light = jax.random.uniform(jax.random.key(0), (1, 18, 15, 1), maxval=100)
    np.testing.assert_allclose(
        join_edges(flat, light, 4), jnp.full((1, 18, 15, 2), 7.0), rtol=1e-5
    )
