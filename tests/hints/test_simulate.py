"""Hints that are drawn from the true colors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.distributed import batch_sharding, make_mesh
from colorjax.hints import steering
from colorjax.hints.simulate import simulate, simulate_globe, simulate_spots
from colorjax.quantize import Q, nearest_bin

NUMBER, SIZE = 2000, (24, 32)


@pytest.fixture(scope="module")
def colors():
    """A different color in each pixel of each image."""
    return jax.random.uniform(
        jax.random.key(0), (NUMBER, *SIZE, 2), minval=-60, maxval=60
    )


@pytest.fixture(scope="module")
def drawn(colors):
    keys = jax.random.split(jax.random.key(1), NUMBER)
    return np.asarray(jax.jit(simulate)(keys, colors))


def test_how_many_images_have_no_hints_and_how_many_have_all(drawn):
    covered = drawn[..., 2].mean((1, 2))
    assert abs((covered == 0).mean() - 1 / 8) < 0.03
    assert 0.002 < (covered == 1).mean() < 0.02


def test_hints_are_squares_in_their_mean_color():
    """One hint, more or less, so that few overlap."""
    keys = jax.random.split(jax.random.key(2), 300)
    ab = jax.random.uniform(jax.random.key(3), (300, *SIZE, 2))
    draw = jax.jit(partial(simulate, count=0.2, side=5, reveal=0.0))
    local = np.asarray(draw(keys, ab))
    sides = set()
    for own, true in zip(local, np.asarray(ab), strict=True):
        rows, columns = own[..., 2].nonzero()
        spans = [int(np.ptp(x)) + 1 for x in (rows, columns) if len(x)]
        if len(rows) and len(rows) == spans[0] ** 2 == spans[1] ** 2:
            sides.add(spans[0])
            mean = true[rows, columns].mean(0)
            np.testing.assert_allclose(
                own[rows, columns, :2], [mean] * len(rows), atol=1e-5
            )
        assert not own[own[..., 2] == 0].any()
    assert sides == {1, 2, 3, 4, 5}


def test_hints_are_near_the_middle(drawn):
    partly = drawn[drawn[..., 2].mean((1, 2)) < 1][..., 2].mean(0)
    middle, corner = partly[10:14, 14:18].mean(), partly[:2, :2].mean()
    assert middle > 3 * corner


def test_hints_of_an_image_depend_on_its_key_alone(colors, drawn):
    keys = jax.random.split(jax.random.key(1), NUMBER)
    alone = jax.jit(simulate)(keys[5:6], colors[5:6])
    np.testing.assert_allclose(drawn[5], alone[0], atol=1e-4)


def test_spots_are_the_same_hints():
    """Each used spot has the color that the input has at its place, unless a later one
    lies on it."""
    keys = jax.random.split(jax.random.key(2), 100)
    lightness, a, b = jax.random.uniform(jax.random.key(3), (3, 100, *SIZE, 1))
    ab = jnp.concatenate([a, b], axis=-1)
    local = np.asarray(simulate(keys, ab, 0.5, 3, 0.0))
    spots = jax.tree.map(np.asarray, simulate_spots(keys, lightness, ab, 0.5, 3))
    right = []
    for image, (places, light, colors, used) in enumerate(zip(*spots, strict=True)):
        assert used.any() == local[image, ..., 2].any()
        at = tuple(np.rint(places[used == 1]).astype(int).T)
        right += np.isclose(
            local[image][at][:, :2], colors[used == 1], atol=1e-5
        ).tolist()
        np.testing.assert_array_equal(light[used == 1], lightness[image, ..., 0][at])
    assert len(right) > 20 and np.mean(right) > 0.9


def test_training_steers_as_decoding_does():
    """In JAX, and with spots that are not used, as in NumPy without these."""
    random = np.random.default_rng(0)
    lightness = random.uniform(0, 100, SIZE).astype(np.float32)
    ab = random.normal(0, 30, (*SIZE, 2)).astype(np.float32)
    rows, columns = (random.uniform(0, count - 1, 5) for count in SIZE)
    places = np.float32(np.stack([rows, columns], axis=-1))
    colors = random.normal(0, 30, (5, 2)).astype(np.float32)
    used = np.float32([1, 1, 0, 1, 0])
    light = random.uniform(0, 100, 5).astype(np.float32)
    spots = steering.Spots(places, light, colors, used)
    ours = steering.Spots(*(x[used == 1] for x in spots))
    both = jax.tree.map(jnp.asarray, (spots, ab, lightness))
    own = steering.correction(ours, ab, lightness, 2)
    again = steering.correction(*both, 2, jnp)
    assert np.abs(own).max() > 10
    np.testing.assert_allclose(again, own, atol=1e-3)


def test_hints_are_the_same_on_four_devices(colors, drawn):
    mesh = make_mesh()
    assert mesh.size == 4
    keys = jax.device_put(
        jax.random.split(jax.random.key(1), NUMBER), batch_sharding(mesh)
    )
    shards = jax.jit(simulate)(keys, jax.device_put(colors, batch_sharding(mesh)))
    assert len(shards.sharding.device_set) == 4
    np.testing.assert_allclose(drawn, shards, atol=1e-4)


def test_a_histogram_is_that_of_the_image():
    ab = jnp.zeros((8, 16, 16, 2)).at[:, :8].set(jnp.array([40.0, 20.0]))
    globe = jax.jit(simulate_globe)(jax.random.split(jax.random.key(0), 8), ab)
    given = globe[:, -1] == 1
    assert 0 < given.sum() < 8
    np.testing.assert_array_equal(globe[~given], 0)
    shares = globe[given][0, :-1]
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)
    for color in ([0.0, 0.0], [40.0, 20.0]):  # half of the image each
        bin_of_color = int(nearest_bin(jnp.array(color)))
        assert bin_of_color < Q and 0.1 < shares[bin_of_color] <= 0.5
