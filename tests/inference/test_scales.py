"""The settings of a run: its working sizes and its saturation."""

import json

import numpy as np
import pytest
from colorizers import random_colorizer, write_run
from helpers import encode, scene

from colorjax import cli
from colorjax.errors import UserError
from colorjax.inference import archive
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.decode import decode
from colorjax.inference.distribution import Distribution
from colorjax.inference.scales import average
from colorjax.quantize import Q

PICTURE = scene(3, 96)
SETTINGS = dict(sizes=[32, 48], saturation=1.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return with_settings(write_run(tmp_path_factory.mktemp("runs") / "x"), **SETTINGS)


def with_settings(workdir, **settings):
    """The run, with an `inference` section."""
    path = workdir / "config.json"
    config = json.loads(path.read_text()) | {"inference": settings}
    path.write_text(json.dumps(config))
    return workdir


def ramp(side: int) -> Distribution:
    """Log-odds of the first two bins that grow from 0 to 1 across a picture."""
    place = (np.arange(0, side, 4) + 0.5) / side
    logits = np.zeros((len(place), len(place), Q), np.float32)
    logits[..., 0] = place
    plane = np.zeros((side, side), np.float32)
    return Distribution((96, 96), plane, np.stack([plane, plane], -1), logits)


def test_each_size_is_read_at_its_place_in_the_picture():
    small, large = ramp(32), ramp(64)
    assert average([small]) is small
    mean = average([small, large])
    assert mean.lightness.shape == (64, 64) and mean.logits is not None
    odds = mean.logits[..., 0] - mean.logits[..., 1]
    inside = np.s_[:, 1:-2]  # the border is clipped
    np.testing.assert_allclose(odds[inside], large.logits[..., 0][inside], atol=1e-5)
    np.testing.assert_allclose(np.exp(mean.logits).sum(-1), 1, atol=0.01)


def test_sizes_of_a_method_without_a_distribution():
    planes = np.zeros((8, 8), np.float32), np.zeros((16, 16), np.float32)
    parts = [
        Distribution((9, 9), x, np.stack([x + i, x], -1)) for i, x in enumerate(planes)
    ]
    np.testing.assert_allclose(average(parts).ab, np.full((16, 16, 2), (0.5, 0)))


def test_a_run_has_settings(run, capsys):
    colorizer = Colorizer.load(run)
    assert repr(colorizer) == "Colorizer('x, step 0', sizes=32+48)"
    found = colorizer.predict(PICTURE)
    assert min(found.lightness.shape) == 48 and found.saturation == 1.5
    plain, own, same = (decode(found, PICTURE, saturation=s) for s in (1.0, 1.5, None))
    assert np.array_equal(own, same) and not np.array_equal(own, plain)
    assert np.array_equal(colorizer(PICTURE), own)
    assert Colorizer.load(run, size=64).sizes == (64,)
    assert cli.main(["info", str(run)]) == 0
    assert "short side 32, 48 pixels, saturation 1.5" in capsys.readouterr().out


def test_a_sequence_is_each_picture_by_itself(run):
    colorizer = Colorizer.load(run)
    assert colorizer.predict([]) == []
    pictures = [PICTURE, PICTURE[:50], PICTURE[::-1]]
    for one, picture in zip(
        colorizer.predict(pictures, batch=2), pictures, strict=True
    ):
        np.testing.assert_allclose(one.ab, colorizer.predict(picture).ab, atol=1e-3)


def test_saved_distributions_have_the_saturation(run, tmp_path):
    found = Colorizer.load(run).predict(PICTURE)
    archive.save(tmp_path / "x.npz", found)
    loaded = archive.load(tmp_path / "x.npz")
    assert loaded.saturation == 1.5
    difference = np.int32(decode(found, PICTURE)) - decode(loaded, PICTURE)
    assert np.abs(difference).max() <= 3


def test_the_size_is_an_option(run, tmp_path, capsys):
    source, out = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(encode(PICTURE))
    command = ["colorize", str(source), "--out", str(out), "--size", "40"]
    assert cli.main([*command, "--run", str(run), "--save-distribution"]) == 0
    saved = tmp_path / "b.png.colors.npz"
    assert min(archive.load(saved).lightness.shape) == 40
    assert cli.main([*command, "--overwrite", "--from-distribution", str(saved)]) == 2
    assert "give either --size or --from-distribution" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(sizes=[4]), "config.inference.sizes: 4 is not within 8 to 8192"),
        (dict(sizes=["big"]), "config.inference.sizes is 'big', which is not of type"),
        (dict(saturation=-1.0), "config.inference.saturation: -1.0 is not within 0"),
        (dict(size=128), "config.inference.size: no such key; there are sizes"),
    ],
)
def test_mistakes(settings, message, tmp_path):
    workdir = with_settings(write_run(tmp_path / "x"), **settings)
    with pytest.raises(UserError, match=message):
        Colorizer.load(workdir)


def test_a_colorizer_of_one_size_is_as_before():
    found = random_colorizer("zhang2016").predict(PICTURE)
    assert found.saturation == 1 and min(found.lightness.shape) == 32
