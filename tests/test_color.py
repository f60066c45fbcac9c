"""colorjax.color against scikit-image and against its own inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab

LEVELS = np.arange(256)


def test_the_whole_8_bit_cube():
    """Lab is that of scikit-image, and converts back to the same 8-bit color."""
    planes = np.stack(np.meshgrid([0], LEVELS, LEVELS, indexing="ij"), axis=-1)[0]
    forward, back = jax.jit(rgb_to_lab), jax.jit(lab_to_rgb)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for red in LEVELS:
        planes[..., 0] = red
        lab = forward((planes / 255).astype(np.float32))
        expected = skimage.color.rgb2lab(planes / 255)
        assert np.abs(lab - expected).max() < 1e-3
        rgb = np.asarray(back(lab))
        assert np.array_equal(np.rint(rgb * 255), planes)
        assert np.abs(rgb - planes / 255).max() < 1e-4
        low = np.minimum(low, expected.min((0, 1)))
        high = np.maximum(high, expected.max((0, 1)))
    np.testing.assert_allclose(low, [0, -86.2, -107.9], atol=0.05)
    np.testing.assert_allclose(high, [100, 98.2, 94.5], atol=0.05)


def test_lab_outside_the_gamut_is_clipped():
    axes = np.arange(0, 101, 2), np.arange(-128, 129, 4), np.arange(-128, 129, 4)
    lab = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # scikit-image warns and departs from CIE where blue would be negative.
    lab = lab[(lab[:, 0] + 16) / 116 >= lab[:, 2] / 200].astype(np.float64)
    expected = skimage.color.lab2rgb(lab)
    clipped = ((expected == 0) | (expected == 1)).any(-1)
    assert 0.5 < clipped.mean() < 0.95
    rgb = np.asarray(lab_to_rgb(jnp.asarray(lab, jnp.float32)))
    assert rgb.min() == 0 and rgb.max() == 1
    assert np.abs(rgb - expected).max() < 1e-4


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
def test_any_leading_axes(convert):
    pixels = jax.random.uniform(jax.random.key(0), (2, 3, 5, 3))
    together = jax.jit(convert)(pixels)
    assert together.shape == pixels.shape
    alone = jax.jit(convert)(pixels[1, 2, 4])
    np.testing.assert_allclose(together[1, 2, 4], alone, rtol=1e-5, atol=1e-5)
    mapped = jax.jit(jax.vmap(jax.vmap(convert)))(pixels)
    np.testing.assert_allclose(mapped, together, rtol=1e-5, atol=1e-5)


def test_known_colors():
    """White and black, and the red of IEC 61966-2-1 in CIE's numbers."""
    rgb = jnp.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]
    np.testing.assert_allclose(rgb_to_lab(rgb), expected, atol=0.01)


def test_into_gamut_keeps_lightness_and_hue_and_only_the_needed_chroma():
    axes = np.arange(1, 100, 3), np.arange(-128, 129, 8), np.arange(-128, 129, 8)
    lab = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
    fitted = np.asarray(jax.jit(into_gamut)(lab))
    back = np.asarray(rgb_to_lab(lab_to_rgb(jnp.asarray(fitted))))
    assert np.abs(back - fitted).max() < 0.1  # nothing was clipped
    np.testing.assert_array_equal(fitted[..., 0], lab[..., 0])
    cross = fitted[..., 1] * lab[..., 2] - fitted[..., 2] * lab[..., 1]
    assert np.abs(cross).max() < 0.05
    chroma, wanted = (np.hypot(x[..., 1], x[..., 2]) for x in (fitted, lab))
    assert (chroma <= wanted).all()
    # Reduced colors would not fit with a hundredth more chroma.
    reduced = chroma < wanted
    assert reduced.mean() > 0.5
    more = lab.copy()
    more[..., 1:] = fitted[..., 1:] + 0.01 * lab[..., 1:]
    clipped = np.asarray(rgb_to_lab(lab_to_rgb(jnp.asarray(more))))
    assert (np.abs(clipped - more).max(-1) > 1e-3)[reduced].all()


def test_into_gamut_leaves_what_fits():
    rgb = np.random.default_rng(0).uniform(0.01, 0.99, (1000, 3)).astype(np.float32)
    lab = np.asarray(rgb_to_lab(jnp.asarray(rgb)))
    np.testing.assert_array_equal(np.asarray(into_gamut(jnp.asarray(lab))), lab)
