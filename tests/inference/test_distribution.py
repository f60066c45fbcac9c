"""One prediction, many pictures: temperature, palette, samples, doubt; as a file."""

import io
import os
import zipfile
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from colorizers import random_colorizer
from helpers import scene
from skimage.color import rgb2lab

from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.inference import archive
from colorjax.inference.decode import decode, uncertainty
from colorjax.inference.distribution import Distribution
from colorjax.inference.sampling import (
    MAX_VARIATION,
    positions,
    smooth_noise,
    total_variation,
)
from colorjax.inference.softmax import log_softmax, softmax
from colorjax.nets.layers import upsample
from colorjax.quantize import Q, ab_bins, annealed_mean

SIZE = (60, 90)
TEMPERATURE = 0.5
RED = Guide(palette=["#aa5533"])


def distribution(seed=0, working=(32, 48), sharp=1.0):
    """Smooth random logits, as of a net that is more or less sure, for a picture of
    `SIZE`."""
    grid = tuple(n // 4 + 1 for n in working)
    near = smooth_noise(positions(grid), 2, [seed]) * 25
    distance = ((near[:, :, None] - ab_bins()) ** 2).sum(-1)
    other = smooth_noise(positions(grid), Q, [seed + 1000])
    logits = np.float32(sharp * (other - distance / 800))
    samples = upsample(annealed_mean(jnp.asarray(logits[None]), TEMPERATURE), 4)
    ab = np.asarray(samples)[0, : working[0], : working[1]]
    lightness = rgb2lab(scene(seed, 64))[: working[0], : working[1], 0]
    return Distribution(
        SIZE, np.float32(lightness), ab, logits, 4, TEMPERATURE, "runs/x, step 7"
    )


PICTURE = scene(1, 96)[: SIZE[0], : SIZE[1]]


@pytest.mark.parametrize("working", [(32, 48), (29, 31), (1, 6)])
def test_decoding_is_that_of_the_method(working):
    found = distribution(working=working)
    np.testing.assert_allclose(found.decode(TEMPERATURE), found.ab, atol=1e-3)
    assert found.decode() is found.ab


def test_softmax():
    logits = np.random.default_rng(0).normal(0, 200, (3, 5, Q)).astype(np.float32)
    for ours in (softmax, log_softmax):
        theirs = getattr(scipy.special, ours.__name__)(logits, axis=-1)
        assert ours(logits).dtype == np.float32
        np.testing.assert_allclose(ours(logits), theirs, rtol=1e-5, atol=1e-30)


def test_temperature_goes_from_the_mode_to_the_mean():
    found = distribution()
    mode = ab_bins()[found.logits.argmax(-1)]
    np.testing.assert_allclose(found.decode(1e-4)[::4, ::4], mode[:8, :12], atol=0.1)
    everything = np.broadcast_to(ab_bins().mean(0), found.ab.shape)
    np.testing.assert_allclose(found.decode(1e5), everything, atol=0.1)


def test_saturation_multiplies_chroma():
    found = distribution()
    grey = decode(found, PICTURE, saturation=0.0)
    assert np.abs(rgb2lab(grey)[..., 1:]).max() < 1
    half, whole = (rgb2lab(decode(found, PICTURE, saturation=s)) for s in (0.25, 0.5))
    np.testing.assert_allclose(2 * half[..., 1:], whole[..., 1:], atol=4)
    np.testing.assert_allclose(half[..., 0], whole[..., 0], atol=1)


def test_palette_gives_mixes_of_its_colors():
    found = distribution()
    red, blue = (
        rgb2lab(np.uint8([[c]]))[0, 0, 1:] for c in ((170, 85, 51), (0, 0, 99))
    )
    ab = found.decode(hints=Guide(palette=["#aa5533", " #000063"]))
    along = (ab - red) @ (blue - red) / ((blue - red) ** 2).sum()
    assert along.min() >= -1e-3 and along.max() <= 1 + 1e-3
    assert along.max() - along.min() > 0.5
    beside = ab - red - along[..., None] * (blue - red)
    assert np.abs(beside).max() < 0.01
    # One color only is that color; at a low temperature each pixel takes one.
    np.testing.assert_allclose(found.decode(hints=RED), red + 0 * ab, atol=0.01)
    sure = found.decode(1e-3, hints=Guide(palette=["#aa5533", "#000063"]))[::4, ::4]
    away = np.minimum(np.abs(sure - red).max(-1), np.abs(sure - blue).max(-1))
    assert away.max() < 0.01


@pytest.mark.parametrize("sharp", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("picture", range(3))
def test_samples_differ_and_each_is_coherent(picture, sharp):
    found = distribution(picture, sharp=sharp)
    mean = found.decode(TEMPERATURE)
    samples = [found.decode(seed=seed) for seed in range(6)]
    for sample in samples:
        assert total_variation(sample) <= MAX_VARIATION * 1.001 * total_variation(mean)
        assert np.abs(sample).max() < 128
    np.testing.assert_array_equal(found.decode(seed=3), samples[3])
    apart = [np.abs(a - b).mean() for a in samples for b in samples if a is not b]
    # Where one color dominates, samples keep it.
    assert min(apart) > 0.1 and np.mean(apart) > (2 if sharp <= 1 else 0.5)


def test_samples_of_one_seed_differ_by_picture():
    colorizer, other = random_colorizer("zhang2016"), PICTURE.copy()
    other[-8:, -8:] = 0
    found = colorizer.predict([PICTURE, other, PICTURE])
    assert found[0].number == found[2].number != found[1].number
    same = replace(found[0], number=found[1].number)
    assert np.abs(found[0].decode(seed=1) - same.decode(seed=1)).mean() > 0.1
    np.testing.assert_array_equal(found[0].decode(seed=1), found[2].decode(seed=1))


def test_samples_stay_where_the_net_is_sure():
    found = distribution(sharp=1.0)
    found.logits[:, 6:] *= 40
    spread = np.std([found.decode(seed=seed) for seed in range(8)], axis=0).mean(-1)
    assert spread[:, 28:].mean() < spread[:, :20].mean() / 3


def test_the_same_seed_varies_pictures_differently():
    first = distribution()
    second = replace(first, number=1)
    np.testing.assert_array_equal(first.decode(), second.decode())
    assert np.abs(first.decode(seed=1) - second.decode(seed=1)).mean() > 1


def test_noise_has_unit_variance_is_smooth_and_of_any_resolution():
    coarse, fine = positions((24, 36)), positions((72, 108))
    noise = np.stack([smooth_noise(coarse, 2, [seed]) for seed in range(400)])
    np.testing.assert_allclose(noise.var(0), 1, atol=0.35)
    assert (
        abs(noise.mean()) < 0.05 and abs((noise[..., 0] * noise[..., 1]).mean()) < 0.1
    )
    assert np.abs(np.diff(noise, axis=1)).max() < 0.5
    finer = smooth_noise(fine, 2, [5])[1::3, 1::3]
    np.testing.assert_allclose(finer, smooth_noise(coarse, 2, [5]), atol=1e-5)


def test_noise_is_of_a_region():
    """Two regions beside each other move on their own; each moves as a whole."""
    places = np.concatenate([positions((8, 8)), np.zeros((8, 8, 1))], axis=-1)
    places[:, 4:, 2] = 4  # lengths over which the noise is alike
    noise = np.stack([smooth_noise(places, 1, [seed]) for seed in range(400)])[..., 0]
    left, right, beside = noise[:, 4, 3], noise[:, 4, 4], noise[:, 4, 2]
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.2
    assert np.corrcoef(left, beside)[0, 1] > 0.95


def test_uncertainty_is_the_entropy_and_hints_go_where_it_is_highest():
    found = distribution()
    found.logits[:] = 0
    found.logits[:, 5:, 7] = 50  # sure of bin 7 on the right
    entropy = found.entropy()
    assert entropy.shape == (32, 48)
    np.testing.assert_allclose(entropy[:, :16], np.log(Q), rtol=1e-4)
    assert np.abs(entropy[:, 20:]).max() < 1e-3
    hints = found.hint_locations(4)
    assert len(set(hints)) == 4
    assert all(0 <= y < SIZE[0] and 0 <= x < SIZE[1] * 20 / 48 for y, x in hints)
    away = np.hypot(*(np.array(hints)[0] - np.array(hints)[1]))
    assert away > 60 / 5  # the second is not beside the first
    shown = uncertainty(found)
    assert shown.shape == (*SIZE, 3)
    bright = shown.mean(-1)
    assert bright[:, :25].mean() > 200 and bright[:, 50:].mean() < 60


def test_a_method_without_logits_says_so():
    given = distribution()
    found = Distribution(given.size, given.lightness, given.ab, source="runs/l2")
    assert decode(found, PICTURE, saturation=0.5).shape == PICTURE.shape
    for options in (dict(temperature=0.3), dict(hints=RED), dict(seed=1)):
        with pytest.raises(UserError, match="^runs/l2: .*one color per pixel"):
            decode(found, PICTURE, **options)
    for use in (
        found.entropy,
        found.hint_locations,
        lambda: archive.save("x.npz", found),
    ):
        with pytest.raises(UserError, match="one color per pixel"):
            use()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(temperature=0.0), "temperature is 0.0, which must be positive"),
        (dict(temperature=float("nan")), "temperature is nan"),
        (dict(saturation=-1.0), "saturation is -1.0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UserError, match=message):
        decode(distribution(), PICTURE, **options)


def test_another_picture_is_refused():
    with pytest.raises(UserError, match="of 90x60 pixels, not of 60x60"):
        decode(distribution(), PICTURE[:, :60])


# ---- As a file.


def test_saved_and_loaded(tmp_path):
    found = replace(distribution(), number=2**32 - 5)
    archive.save(tmp_path / "x.npz", found)
    loaded = archive.load(tmp_path / "x.npz")
    for field in ("size", "stride", "temperature", "source", "saturation", "number"):
        assert getattr(loaded, field) == getattr(found, field)
    np.testing.assert_allclose(loaded.lightness, found.lightness, atol=0.05)
    np.testing.assert_allclose(loaded.logits, found.logits, rtol=1e-3, atol=1e-3)
    for options in ({}, dict(temperature=0.2), dict(hints=RED), dict(seed=4)):
        first, second = (decode(x, PICTURE, **options) for x in (found, loaded))
        assert np.abs(np.int32(first) - second).max() <= 3
    kilobytes = os.path.getsize(tmp_path / "x.npz") / 1e3
    assert kilobytes < 2.5 * found.logits.size / 1e3  # half precision


class Bomb:
    """What a pickle would call."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


GOOD = {
    "version": 1,
    "bins": archive.BINS,
    "size": SIZE,
    "stride": 4,
    "temperature": 0.5,
    "source": "x",
    "lightness": np.zeros((32, 48), np.float16),
    "logits": np.zeros((9, 13, Q), np.float16),
}
SPOILT = {
    "version": 2,
    "bins": "others",
    "size": (0, 90),
    "stride": 0,
    "temperature": -1.0,
    "number": -1,
    "lightness": np.zeros((32, 64), np.float16),
    "logits": np.full((9, 13, Q), np.nan, np.float16),
}


def saved(**changes):
    data = io.BytesIO()
    np.savez(data, **GOOD | changes)
    return data.getvalue()


@pytest.mark.parametrize("key", SPOILT)
def test_arrays_that_do_not_fit_are_refused(key, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(saved())
    archive.load(path)
    path.write_bytes(saved(**{key: SPOILT[key]}))
    with pytest.raises(UserError, match="x.npz: not a saved distribution") as caught:
        archive.load(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = saved(source=np.array([Bomb()], dtype=object))
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("logits.npy", bytes(archive.MAX_BYTES + 1))
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w") as members:
        header = io.BytesIO()
        shape = {"descr": "<f2", "fortran_order": False, "shape": (2**40, 2**20)}
        np.lib.format.write_array_header_1_0(header, shape)
        members.writestr("logits.npy", header.getvalue())
    others = [b"", b"Dear diary,", saved()[:2000], bomb, zeros.getvalue()]
    for data in [*others, huge.getvalue()]:
        (tmp_path / "x.npz").write_bytes(data)
        with pytest.raises(UserError, match="^x.npz: not a saved distribution"):
            archive.load("x.npz")
    assert not (tmp_path / "exploded").exists()
    (tmp_path / "x.npz").write_bytes(zeros.getvalue())
    with pytest.raises(UserError, match="too large"):  # before it is unpacked
        archive.load("x.npz")
    with pytest.raises(UserError, match="none.npz: no such file"):
        archive.load("none.npz")
