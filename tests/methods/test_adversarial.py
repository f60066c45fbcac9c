"""Adversarial methods: what is computed twice costs once, pools, options, the mean."""

import functools
import re
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from chex import assert_trees_all_close
from examples import predict
from helpers import scene

from colorjax.distributed import shard_batch
from colorjax.errors import UserError
from colorjax.method import to_examples
from colorjax.methods import cyclegan, pix2pix, zhang2016
from colorjax.methods._gan import empty_pool, exchange, r1_penalty
from colorjax.nets.patchgan import PatchGAN
from colorjax.train.initialize import initialize_from
from colorjax.train.step import TrainState, make_init, make_step

SMALL = dict(width=1 / 16, depth=3, patch_layers=2)
VGG = dict(generator="vgg_dilated", width=1 / 16, patch_layers=2)
METHODS = {
    "pix2pix": lambda: pix2pix.build(**SMALL),
    "options": lambda: pix2pix.build(norm="batch", ema=0.9, r1=1.0, **SMALL),
    "fine-tuned": lambda: pix2pix.build(spectral=True, **VGG),
    "cyclegan": lambda: cyclegan.build(width=1 / 16, blocks=1, patch_layers=2, pool=6),
}


def batch(size=4, side=32):
    images = np.stack([scene(i, side) for i in range(2 * size)])
    mask = np.ones(size, np.float32)
    index = np.arange(size, dtype=np.int32)
    return {
        "image": images[:size],
        "mask": mask,
        "index": index,
        "label": index,
        "other": images[size:],
        "other_mask": mask.copy(),
        "other_index": index,
    }


@functools.cache
def initialized(name):
    """A method, the examples of `batch`, and its nets."""
    method, examples = METHODS[name](), to_examples(batch())
    return method, examples, jax.jit(method.init)(jax.random.key(0), examples)


def mesh(devices):
    return jax.sharding.Mesh(jax.devices()[:devices], ("data",))


class Trained(NamedTuple):
    """The step as it was traced and compiled, the state at first and after each of two
    steps of plain SGD, and the last metrics."""

    traced: str
    compiled: str
    states: list[TrainState]
    metrics: dict[str, float]

    def moved(self):
        """What the steps changed in all nets."""
        first, last = self.states[0].nets, self.states[-1].nets
        return jax.tree.map(np.subtract, last, first)


@functools.cache
def trained(name: str, devices: int = 1) -> Trained:
    method, place, optimizer = METHODS[name](), mesh(devices), optax.sgd(0.01)
    images = shard_batch(batch(), place)
    state = make_init(method, optimizer, 0, place)(images)
    lowered = make_step(method, optimizer, 0, place).lower(state, images)
    step, states = lowered.compile(), [jax.device_get(state)]
    for _ in range(2):
        state, metrics = step(state, images)
        states.append(jax.device_get(state))
    return Trained(lowered.as_text(), step.as_text(), states, jax.device_get(metrics))


@pytest.mark.parametrize(
    ("name", "convolutions", "products"),
    [  # of one forward pass of the generators: a transposed convolution is 4 products
        ("options", 3, 3 * 4),
        pytest.param("fine-tuned", 22, 4, marks=pytest.mark.slow),
        ("cyclegan", 2 * 6, 2 * 2 * 4),
    ],
)
def test_repeated_forward_of_the_generator_costs_nothing(name, convolutions, products):
    """What two losses have both traced is there once in the compiled step."""
    found = trained(name)

    def merged(operation, instruction):
        left = len(re.findall(f" {instruction}\\(", found.compiled))
        return found.traced.count(operation) - left

    assert merged("stablehlo.convolution", "convolution") >= convolutions
    assert merged("stablehlo.dot_general", "dot") >= products


@pytest.mark.parametrize(
    "name",
    ["options", "cyclegan", pytest.param("fine-tuned", marks=pytest.mark.slow)],
)
def test_any_number_of_devices(name):
    """Nets, statistics, pools and means after two steps, the second from the pool."""
    one, four = trained(name), trained(name, devices=4)
    scale = max(float(np.abs(x).max()) for x in jax.tree.leaves(one.moved()))
    assert_trees_all_close(four.moved(), one.moved(), rtol=1e-3, atol=1e-4 * scale)
    assert_trees_all_close(four.metrics, one.metrics, rtol=1e-3, atol=1e-4)


def test_no_net_is_moved_by_another_s_loss():
    """Neither side learns where the other one's loss is computed."""
    method, examples, nets = initialized("pix2pix")
    for name, loss in method.losses.items():
        for other in nets.keys() - {name}:

            def through(params, name=name, other=other, loss=loss):
                seen = {**nets, other: {**nets[other], "params": params}}
                own = nets[name]["params"]
                return loss(own, seen, examples, jax.random.key(0))[0]

            slope = jax.jit(jax.grad(through))(nets[other]["params"])
            reaches = any(jnp.abs(x).max() > 0 for x in jax.tree.leaves(slope))
            assert reaches == (name == "G")  # the generator learns through D


def test_cyclegan_sees_no_pairs():
    """The grey set's colors change nothing; nor is one set's L used with the other."""
    method, examples, nets = initialized("cyclegan")
    without = {key: x for key, x in examples.items() if key not in ("rgb", "other_ab")}
    for name, loss in method.losses.items():
        run = jax.jit(loss)
        key = jax.random.key(1)
        value = run(nets[name]["params"], nets, examples, key)[0]
        assert run(nets[name]["params"], nets, without, key)[0] == value
        # Sets are sums of their own: in another order one of them is the same set.
        turned = {
            key: jnp.roll(x, 1, axis=0) if key.startswith("other") else x
            for key, x in examples.items()
        }
        again = run(nets[name]["params"], nets, turned, key)[0]
        np.testing.assert_allclose(again, value, rtol=1e-5)


def test_cyclegan_without_a_second_set_is_told():
    with pytest.raises(UserError, match="data.halves=True"):
        METHODS["cyclegan"]().check(32, False)


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_images_too_small_for_the_discriminator_are_told(name):
    method = {"pix2pix": pix2pix, "cyclegan": cyclegan}[name].build()
    with pytest.raises(UserError, match="16 pixels .data.crop."):
        method.check(16, True)
    method.check(24, True)


def test_other_mask_leaves_grey_images_out():
    method, examples, nets = initialized("cyclegan")
    mask = examples["other_mask"].at[0].set(0)
    masked = dict(examples, other_mask=mask)
    grey = examples["other_lightness"]
    changed = dict(masked, other_lightness=grey.at[0].set(50.0))
    for name, loss in method.losses.items():
        run = jax.jit(loss)

        def value(examples, name=name, run=run):
            return run(nets[name]["params"], nets, examples, jax.random.key(1))

        (masked_value, (collections, _)) = value(masked)
        assert masked_value == value(changed)[0] < value(examples)[0]
        for net, collection in collections.items():
            kept = 3 if net == "D_colour" else 4
            assert collection["pool"]["filled"] == kept


def numbered(start, count):
    """Pictures of one pixel that say which they are."""
    return jnp.arange(start, start + count, dtype=jnp.float32).reshape(-1, 1, 1, 1)


def test_pool_fills_then_swaps_one_in_two():
    pool, swap = empty_pool(5, numbered(0, 3)), jax.jit(exchange)
    shown, given = [], []
    for turn in range(200):
        images = numbered(3 * turn, 3)
        before = set(pool.pictures.ravel().tolist()) if turn > 1 else None
        pool, out = swap(pool, images, jnp.ones(3), jax.random.key(turn))
        given += images.ravel().tolist()
        shown += out.ravel().tolist()
        if before is not None:  # what is shown was here, or came
            came = before | set(images.ravel().tolist())
            assert set(out.ravel().tolist()) <= came
            assert set(pool.pictures.ravel().tolist()) <= came
            assert pool.filled == 5
    assert shown[:5] == given[:5]  # while it fills
    old = np.mean([a != b for a, b in zip(shown[5:], given[5:], strict=True)])
    assert 0.42 < old < 0.58
    # What is shown from the pool has left it; only the first five were shown before.
    assert len(shown) - len(set(shown)) <= 5


def test_pool_keeps_only_what_counts():
    pool, swap = empty_pool(3, numbered(0, 1)), jax.jit(exchange)
    for turn in range(20):
        counted = jnp.array([0.0, 1.0])
        pool, shown = swap(pool, numbered(2 * turn, 2), counted, jax.random.key(turn))
        assert shown[0, 0, 0, 0] == 2 * turn
        kept = pool.pictures.ravel()[: int(pool.filled)]
        assert jnp.all(kept % 2 == 1)


def test_r1_of_a_linear_discriminator():
    slope = jax.random.normal(jax.random.key(0), (4, 4, 3))
    found = r1_penalty(
        lambda x: (x * slope).sum(axis=(1, 2, 3))[:, None, None, None],
        jnp.ones((2, 4, 4, 3)),
    )
    np.testing.assert_allclose(found, jnp.square(slope).sum() * jnp.ones(2), rtol=1e-5)


def test_spectral_norm_bounds_the_kernels():
    """After some iterations the normed layers' largest singular value is 1."""
    net = PatchGAN(1 / 8, 2, spectral=True)
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = net.init(jax.random.key(1), images, train=True)
    variables["params"] = jax.tree.map(lambda x: 50 * x, variables["params"])
    apply = jax.jit(partial(net.apply, train=True, mutable=["batch_stats"]))
    for _ in range(30):
        _, stats = apply(variables, images)
        variables |= stats
    for name in ("conv1", "conv2", "conv3", "head"):
        kernel = variables["params"][name]["kernel"]
        largest = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)
        sigma = stats["batch_stats"][f"{name}_sn"][f"{name}/kernel/sigma"]
        np.testing.assert_allclose(sigma, largest, rtol=0.02)


def test_fine_tuning_begins_as_the_classification_run():
    """From its nets, the first prediction is the same, though a mean was asked for."""
    source = zhang2016.build(width=1 / 16, temperature=0.5)
    nets = jax.jit(source.init)(jax.random.key(3), to_examples(batch()))
    method = pix2pix.build(ema=0.99, temperature=0.5, **VGG)
    state = make_init(method, optax.sgd(0.1), 0, mesh(1))(shard_batch(batch(), mesh(1)))
    state, fresh, left = initialize_from(state, nets)
    assert not left and all(x.startswith("D/") for x in fresh)
    lightness = to_examples(batch())["lightness"]
    ours = predict(method, state.predicting_nets, lightness)
    theirs = predict(source, nets, lightness)
    np.testing.assert_array_equal(ours.ab, theirs.ab)
    np.testing.assert_array_equal(ours.logits, theirs.logits)
    assert method.temperature == source.temperature


@pytest.mark.parametrize("size", [(8, 8), (30, 44), (57, 33)])
def test_u_net_takes_any_size(size):
    """Padded inside to its stride by the last row and column."""
    method, _, nets = initialized("pix2pix")
    lightness = jax.random.uniform(jax.random.key(1), (1, *size, 1), maxval=100.0)
    ab = predict(method, nets, lightness).ab
    assert ab.shape == (1, *size, 2)
    missing = [(0, -n % 8) for n in size]
    padded = jnp.pad(lightness, ((0, 0), *missing, (0, 0)), mode="edge")
    whole = predict(method, nets, padded).ab
    np.testing.assert_array_equal(ab, whole[:, : size[0], : size[1]])
