"""Methods that draw noise: one key an image, samples, seeds, and options of use."""

import jax
import jax.numpy as jnp
import noisy
import numpy as np
import pytest
from colorizers import random_colorizer
from examples import small_mesh
from helpers import FIXTURES, TINY, encode, scene

from colorjax import cli, images
from colorjax.data.pipeline import ImageDataset
from colorjax.errors import UserError
from colorjax.evaluation.engine import evaluate as measure
from colorjax.evaluation.engine import method_predictor
from colorjax.evaluation.metrics import Context, make_metrics
from colorjax.inference.colorizer import Colorizer
from colorjax.method import image_keys
from colorjax.quantize import Q

NETS = {"G": {"params": {"w": jnp.array([1.0, -0.5])}}}
DATA = dict(name="drawings", data_dir=str(FIXTURES), resize=16, crop=16)


@pytest.fixture
def colorizer():
    return Colorizer(noisy.build(), NETS, [32], "runs/noisy, step 0")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The workdir of a run of the method `noisy` on the drawings."""
    noisy.register(monkeypatch)
    return noisy.write_run(tmp_path / "run", TINY | {"data": DATA})


def drawings(batch):
    dataset = ImageDataset(**DATA)
    return dataset.single_pass(dataset.source("test"), batch=batch)


def test_no_metric_depends_on_batch_padding_or_devices():
    metrics, _ = make_metrics(Context(np.full(Q, 1 / Q, np.float32), 16))
    predictors = {"x": method_predictor(noisy.build(), NETS)}

    def values(size, devices, seed=0):
        mesh = small_mesh(devices)
        evaluated = measure(predictors, metrics, drawings(size), mesh, 2, seed)
        return {name: x.value for name, x in evaluated["x"].metrics.items()}

    expected = values(3, 1)
    for size, devices in (4, 4), (8, 2):
        for name, value in values(size, devices).items():
            np.testing.assert_allclose(value, expected[name], rtol=2e-6, err_msg=name)
    assert abs(values(3, 1, seed=1)["auc"] - expected["auc"]) > 1e-4


def test_key_of_an_image_is_its_own():
    numbers = jnp.array([7, 3, 7])
    keys = jax.random.key_data(image_keys(0, numbers))
    np.testing.assert_array_equal(keys[0], keys[2])
    assert (keys[0] != keys[1]).any()
    assert (keys[0] != jax.random.key_data(image_keys(1, numbers))[0]).any()


def test_picture_has_its_own_noise(colorizer):
    """The same alone and among others; another one for another picture or seed."""
    pictures = [scene(i, 40) for i in range(3)] + [scene(3, 40)[:, :30]]
    together = colorizer.predict(pictures, batch=3)
    for picture, prediction in zip(pictures, together, strict=True):
        alone = colorizer.predict(picture)
        assert alone.seed == prediction.seed == 0
        np.testing.assert_allclose(alone.ab, prediction.ab, atol=1e-4)
    other = colorizer.predict(pictures[0], seed=1)
    assert other.seed == 1 and np.std(other.ab - together[0].ab) > 10
    grey = np.full((40, 40, 3), 100, np.uint8)
    lighter = grey + np.uint8(1)
    first, second = (x.ab for x in colorizer.predict([grey, lighter]))
    assert np.std(first - second) > 10
    same = colorizer.predict([grey, lighter], batch=2, same_noise=True)
    assert np.std(same[0].ab - same[1].ab) < 1


def test_seed_of_a_prediction_is_that_of_its_colors(colorizer):
    picture = scene(1, 40)
    sample = colorizer.predict(picture, seed=4)
    expected = colorizer(picture, seed=4)
    np.testing.assert_array_equal(colorizer.decode(sample, picture), expected)
    np.testing.assert_array_equal(colorizer.decode(sample, picture, seed=4), expected)
    with pytest.raises(UserError, match="has the seed 4, not 5; predict again"):
        colorizer.decode(sample, picture, seed=5)
    with pytest.raises(UserError, match="temperature, palette, uncertainty"):
        colorizer(picture, temperature=0.5)
    assert colorizer.draws_noise and colorizer.has_samples


def test_method_without_noise_or_distribution_has_no_samples():
    colorizer = random_colorizer("regression")
    assert not colorizer.has_samples and colorizer.predict(scene(1)).seed is None
    with pytest.raises(
        UserError, match="x, step 1: .*uses no noise; samples and seeds"
    ):
        colorizer(scene(1), seed=0)


def test_colorize_samples(run, tmp_path, capsys):
    """N predictions, the first with the seed that is given; Python has the same."""
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(encode(scene(i, 40)))
    inputs = [str(tmp_path / f"{i}.png") for i in range(2)]
    command = ["colorize", *inputs, "--run", str(run), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--samples", "3", "--seed", "5"]) == 0
    colorizer = Colorizer.load(run)
    for i, name in enumerate(inputs):
        for n in range(3):
            path = tmp_path / "out" / f"{i}-{n + 1}.png"
            expected = np.int32(colorizer(name, seed=5 + n))
            found = images.read(path.read_bytes())
            assert np.abs(found - expected).max() <= 1  # the batch is larger here
    assert cli.main([*command, "--seed", "6"]) == 0
    second = images.read((tmp_path / "out" / "0-2.png").read_bytes())
    alone = images.read((tmp_path / "out" / "0.png").read_bytes())
    assert np.abs(np.int32(second) - alone).max() <= 1
    capsys.readouterr()
    assert cli.main([*command, "--uncertainty"]) == 2
    assert "need a method that gives a distribution" in capsys.readouterr().err


def test_options_that_may_change(run, tmp_path, capsys):
    still = Colorizer.load(run, options={"amount": 0.0, "steps": 1})
    a, b = (still.predict(scene(1), seed=seed).ab for seed in (0, 1))
    np.testing.assert_array_equal(a, b)
    (tmp_path / "a.png").write_bytes(encode(scene(1)))
    command = ["colorize", str(tmp_path / "a.png"), "--run", str(run), "--overwrite"]
    command += ["--out", str(tmp_path / "b.png")]
    assert cli.main([*command, "--set", "method.amount=0", "--set=method.steps=1"]) == 0
    expected = np.int32(still(tmp_path / "a.png"))
    found = images.read((tmp_path / "b.png").read_bytes())
    assert np.abs(found - expected).max() <= 1
    for setting, message in (
        (
            "method.ema=0.5",
            "method.ema of noisy cannot change when a run is used; what "
            "can: method.amount, method.steps",
        ),
        (
            "method.steps=many",
            "config.method.steps is 'many', which is not of type int",
        ),
        ("steps=3", "'steps=3' is not of the form method.KEY=VALUE"),
        ("data.crop=3", "'data.crop=3' is not of the form method.KEY=VALUE"),
        ("method.steps", "'method.steps' is not of the form method.KEY=VALUE"),
    ):
        capsys.readouterr()
        assert cli.main([*command, "--set", setting]) == 2
        err = capsys.readouterr().err
        assert message in err and "Traceback" not in err
    command = ["colorize", str(tmp_path / "a.png"), "--set=method.steps=3"]
    assert cli.main([*command, "--out", str(tmp_path / "c.png")]) == 2
    assert "zhang2016 cannot change when a run is used; what can: none" in (
        capsys.readouterr().err
    )
