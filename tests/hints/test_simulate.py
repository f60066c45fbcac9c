"""Hints that are drawn from the true colors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.distributed import batch_sharding, make_mesh
from colorjax.hints.simulate import simulate, simulate_globe
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
