"""The colors that are offered for a place."""

import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.inference.distribution import Distribution
from colorjax.inference.suggest import clusters, likely_colors
from colorjax.quantize import Q, ab_bins, nearest_bin

FIVE = np.float32([[50, 40], [-40, 40], [0, 0], [-10, -40], [60, -60]])
SHARES = np.float32([0.1, 0.4, 0.25, 0.2, 0.05])


def distribution():
    """Five colors at the left and the first of them alone at the right."""
    bins = np.asarray(nearest_bin(jnp.asarray(FIVE)))
    logits = np.full((4, 6, Q), -50, np.float32)
    logits[:, :3, bins] = np.log(SHARES)
    logits[:, 3:, bins[0]] = 0
    lightness = np.full((16, 24), 60, np.float32)
    lightness[:, :12] = 30
    return Distribution((32, 48), lightness, np.ones((16, 24, 2), np.float32), logits)


def test_the_likeliest_colors_of_a_place():
    lightness, colors = likely_colors(distribution(), 0.2, 0.5)
    assert lightness == 30
    np.testing.assert_allclose(colors, FIVE[np.argsort(-SHARES)], atol=1e-3)
    lightness, colors = likely_colors(distribution(), 1.0, 1.0)
    assert lightness == 60
    np.testing.assert_allclose(colors[0], FIVE[0], atol=1e-3)


def test_without_a_distribution_the_predicted_color():
    colors = distribution()
    colors.ab[8, 4] = 7, -3
    object.__setattr__(colors, "logits", None)
    np.testing.assert_array_equal(likely_colors(colors, 0.19, 0.53)[1], [[7, -3]])


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_a_fixed_point(seed):
    """Each point belongs to the nearest mean, which is the mean of its points."""
    weights = np.random.default_rng(seed).dirichlet(np.full(Q, 0.1))
    masses, means = clusters(weights, ab_bins(), 5)
    owner = ((ab_bins()[:, None] - means) ** 2).sum(-1).argmin(1)
    for i, (mass, mean) in enumerate(zip(masses, means, strict=True)):
        own = owner == i
        np.testing.assert_allclose(mass, weights[own].sum(), rtol=1e-5)
        expected = np.average(ab_bins()[own], axis=0, weights=weights[own])
        np.testing.assert_allclose(mean, expected, atol=1e-3)
    assert (np.diff(masses) <= 0).all() and len(masses) == 5


def test_fewer_colors_than_clusters():
    weights = np.float32([0.7, 0, 0.3])
    points = np.float32([[1, 2], [3, 4], [5, 6]])
    masses, means = clusters(weights, points, 5)
    np.testing.assert_allclose(masses, [0.7, 0.3])
    np.testing.assert_array_equal(means, points[[0, 2]])
