"""Using a run: the Colorizer, the command, evaluate.py, init_from."""

import json

import chex
import jax
import numpy as np
import pytest
from helpers import (
    DATA,
    ROOT,
    python,
    run_colorjax,
    run_train,
    scene,
    write_config,
    write_folder,
)
from skimage.color import lab2rgb, rgb2lab

import colorjax
from colorjax import images
from colorjax.colorize import Colorizer, join

SIZES = [(1, 1), (1, 700), (17, 90), (32, 32), (48, 40), (200, 90), (333, 500)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    data = dict(name="drawings", data_dir=str(DATA), root=None, resize=32, crop=32)
    config = write_config(folder / "drawings.py", steps=3, data=data)
    result = run_train(f"--config={config}", f"--workdir={folder / 'run'}")
    assert result.code == 0, result.err
    return folder / "run", config, result


def test_run_leaves_its_files_and_says_how_to_go_on(trained):
    workdir, _, result = trained
    files = {"config.json", "log.jsonl", "checkpoints", "prior.npy", "metrics.json"}
    assert files | {"grid.png"} == {path.name for path in workdir.iterdir()}
    assert f"colorjax colorize PICTURE --run {workdir}" in result.out
    assert "first step after" in result.err and "images/s" in result.err
    prior = np.load(workdir / "prior.npy")
    assert prior.shape == (313,) and prior.sum() == pytest.approx(1, abs=1e-5)
    grid = images.read((workdir / "grid.png").read_bytes())
    assert grid.shape[1] == 6 * 128 + 7 * 4  # twice three columns, and margins


@pytest.mark.parametrize("size", SIZES)
def test_only_the_colour_is_predicted(trained, size):
    """The result is the original L with the predicted ab, at the picture's size."""
    colorizer = colorjax.Colorizer.load(trained[0])
    grey = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    result = colorizer(grey)
    assert result.shape == (*size, 3) and result.dtype == np.uint8
    expected = rgb2lab(rgb)
    expected[..., 1:] = colorizer.predict_ab(rgb)
    np.testing.assert_allclose(result, lab2rgb(expected) * 255, atol=1.01)


def test_join_of_a_picture_with_its_own_colours_is_the_picture():
    picture = scene(3, 64)
    ab = rgb2lab(picture)[..., 1:].astype(np.float32)
    assert np.abs(join(picture, ab).astype(int) - picture).max() <= 1


def test_colours_of_the_input_do_not_matter_but_lightness_does(trained):
    colorizer = Colorizer.load(trained[0])
    picture = scene(3, 32)
    grey = join(picture, np.zeros((32, 32, 2), np.float32))
    ab = colorizer.predict_ab(picture)
    rounding = np.abs(colorizer.predict_ab(grey) - ab).max()  # of L, to 8 bits
    assert rounding < np.abs(colorizer.predict_ab(255 - grey) - ab).max() / 2


def test_a_folder_of_any_sizes_compiles_a_handful_of_programs(trained):
    colorizer = Colorizer.load(trained[0])
    counted = chex.assert_max_traces(colorizer._predict.__wrapped__, n=9)
    colorizer._predict = jax.jit(counted)
    random = np.random.default_rng(0)
    for _ in range(60):
        colorizer(np.zeros(random.integers(1, 400, 2), np.uint8))


@pytest.mark.parametrize("shape, dtype", [((4, 4, 4), "uint8"), ((4, 4, 3), "float32")])
def test_other_arrays_are_refused(trained, shape, dtype):
    with pytest.raises(TypeError, match="a picture is uint8"):
        Colorizer.load(trained[0])(np.zeros(shape, dtype))


def test_command_keeps_tree_and_sizes(trained, tmp_path):
    write_folder(tmp_path / "in", 2, side=20)
    write_folder(tmp_path / "in/deeper", 1, side=50)
    arguments = ["colorize", tmp_path / "in", "--run", trained[0]]
    result = run_colorjax(*arguments, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "3 of 3 pictures written" in result.out
    for name, side in {"000.png": 20, "001.png": 20, "deeper/000.png": 50}.items():
        picture = images.read((tmp_path / "out" / name).read_bytes())
        assert picture.shape == (side, side, 3)
        source = tmp_path / "in" / name
        np.testing.assert_array_equal(picture, Colorizer.load(trained[0])(source))


def test_evaluate_reads_the_run_back(trained):
    workdir = trained[0]
    result = python(ROOT / "evaluate.py", f"--workdir={workdir}")
    assert result.code == 0, result.err
    found = json.loads((workdir / "evaluation.json").read_text())
    expected = json.loads((workdir / "metrics.json").read_text())
    rows = {"this run": workdir.name, "grey": "grey"}
    for row, figures in expected["rows"].items():
        for name, value in figures.items():
            for key, number in value.items():
                assert found["rows"][rows[row]][name][key] == pytest.approx(
                    number, rel=1e-4
                )
    (workdir / "evaluation.json").unlink()


def test_init_from_takes_every_weight_but_the_head(trained, tmp_path):
    workdir, config, _ = trained
    data = dict(name="drawings", data_dir=str(DATA), root=None, resize=32, crop=32)
    method = dict(name="regression", width=1 / 16)
    config = write_config(
        tmp_path / "tuned.py", steps=1, data=data, method=method, init_from=str(workdir)
    )
    result = run_train(f"--config={config}", f"--workdir={tmp_path / 'tuned'}")
    assert result.code == 0, result.err
    line = next(x for x in result.err.splitlines() if "started from" in x)
    assert "G/params/head/kernel" in line and "conv1_1" not in line
