"""Colours at full size: along edges, with the lightness of the picture."""

import numpy as np
import pytest
from helpers import scene
from skimage import data
from skimage.color import rgb2lab
from sklearn.datasets import load_sample_image

from colorjax import images
from colorjax.inference import compose
from colorjax.inference.compose import replace_ab, replace_ab_guided
from colorjax.inference.upsample import COARSE, fit

PHOTOGRAPHS = {
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "china": lambda: np.array(load_sample_image("china.jpg")),
}
STEP = 100 / 255  # an 8-bit step of L


def lab(picture):
    """L and ab in float32."""
    values = rgb2lab(picture).astype(np.float32)
    return values[..., 0], values[..., 1:]


def resized(planes, size):
    return np.stack([images.resize(p, size) for p in np.moveaxis(planes, 2, 0)], -1)


def true_guide(picture, side):
    """The guide that a net would give which knows every color on its coarse grid."""
    lightness, ab = lab(images.resize_short(picture, side))
    coarse = tuple(-(-n // COARSE) for n in lightness.shape)
    return fit(lightness, resized(resized(ab, coarse), lightness.shape))


def psnr(ab, expected):
    return 10 * np.log10(255**2 / np.mean((ab - expected) ** 2))


def guided_ab(guide, lightness):
    planes = guide.planes(lightness.shape)
    ab, gain, coarse = np.split(planes, (2, 4), axis=2)
    return ab + gain * (lightness[..., None] - coarse)


@pytest.mark.parametrize("side", [64, 128, 256])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_no_worse_than_bilinear(name, side):
    picture = PHOTOGRAPHS[name]()
    lightness, ab = lab(picture)
    guide = true_guide(picture, side)
    plain = psnr(resized(guide.ab, lightness.shape), ab)
    assert psnr(guided_ab(guide, lightness), ab) >= plain
    assert np.abs(guide.gain).max() > 0.1  # it does something


def test_color_stops_at_an_edge():
    """Two halves of a color each: at full size the guided edge is the sharper one."""
    picture = np.empty((256, 256, 3), np.uint8)
    picture[:, :131], picture[:, 131:] = (200, 60, 50), (210, 220, 255)
    lightness, ab = lab(picture)
    guide = true_guide(picture, 64)
    plain = resized(guide.ab, lightness.shape)
    near = np.s_[:, 123:139]
    error = np.abs(guided_ab(guide, lightness) - ab)[near].mean()
    assert error < 0.7 * np.abs(plain - ab)[near].mean()


def test_without_edges_it_is_bilinear():
    ab = np.random.default_rng(0).normal(0, 30, (32, 48, 2)).astype(np.float32)
    guide = fit(np.full((32, 48), 50.0, np.float32), ab)
    assert np.abs(guide.gain).max() < 1e-3
    np.testing.assert_array_equal(
        guide.planes((100, 90))[..., :2], resized(ab, (100, 90))
    )


def test_a_part_is_the_part_of_the_whole():
    guide = true_guide(scene(1, 64), 32)
    whole = guide.planes((100, 333))[20:60, 100:300]
    np.testing.assert_allclose(
        guide.planes((100, 333), (20, 100, 40, 200)), whole, atol=1e-3
    )


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_lightness_is_kept(name):
    """Even with colors far outside the gamut."""
    picture = PHOTOGRAPHS[name]()
    guide = true_guide(picture, 64)
    wild = fit(guide_lightness(picture), 4 * guide.ab)
    for colors in (guide, wild):
        result = replace_ab_guided(picture, colors)
        error = np.abs(lab(result)[0] - lab(picture)[0])
        assert np.percentile(error, 99) <= STEP


def guide_lightness(picture):
    return lab(images.resize_short(picture, 64))[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1000, 1000), (3000, 4000), (6000, 8000)])
def test_lightness_is_kept_at_any_size(size):
    picture = images.resize(PHOTOGRAPHS["china"](), size)
    result = replace_ab_guided(picture, true_guide(picture, 64))
    for top in range(0, size[0], 1000):  # in floats it would fill the memory
        rows = np.s_[top : top + 1000]
        error = np.abs(lab(result[rows])[0] - lab(picture[rows])[0])
        assert np.percentile(error, 99) <= STEP


def test_tiles_leave_no_seam(monkeypatch):
    """A picture of many tiles has the colors that one tile would have given it."""
    monkeypatch.setattr(compose, "SMALL", 1 << 10)
    monkeypatch.setattr(compose, "LARGE", 1 << 12)
    picture = images.resize(scene(1, 256), (90, 110))  # more than two of the larger
    guide = true_guide(picture, 64)
    whole = replace_ab_guided(picture, guide)
    ab = guided_ab(guide, lab(picture)[0])
    assert np.abs(np.int32(replace_ab(picture, ab)) - whole).max() <= 1
    wide = images.resize(picture, (2, 6_000))  # one row is more than a tile
    assert replace_ab_guided(wide, guide).shape == wide.shape
