"""Using a run: the Colorizer, the command, evaluate.py, init_from."""

import json

import chex
import jax
import numpy as np
import pytest
from helpers import (
    FIXTURES,
    ROOT,
    python,
    run_evaluate,
    run_train,
    scene,
    write_config,
    write_folder,
)
from skimage.color import lab2rgb, rgb2lab

import colorjax
from colorjax import cli, images
from colorjax.inference import compose
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.compose import replace_ab

SIZES = [(1, 1), (1, 700), (17, 90), (32, 32), (48, 40), (200, 90), (333, 500)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    data = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=32, crop=32)
    config = write_config(folder / "drawings.py", steps=3, data=data)
    result = run_train(f"--config={config}", f"--workdir={folder / 'run'}")
    assert result.code == 0, result.err
    return folder / "run", config, result


def test_run_leaves_its_files_and_says_how_to_go_on(trained):
    workdir, _, result = trained
    told = {"config.json", "log.jsonl", "metrics.json", "pictures.json"}
    files = told | {"checkpoints", "prior.npy", "grid.png", "tensorboard"}
    assert files == {path.name for path in workdir.iterdir()}
    assert f"colorjax colorize PICTURE --run {workdir}" in result.out
    assert "first step after" in result.err and "images/s" in result.err
    prior = np.load(workdir / "prior.npy")
    assert prior.shape == (313,) and prior.sum() == pytest.approx(1, abs=1e-5)
    grid = images.read((workdir / "grid.png").read_bytes())
    assert grid.shape[1] == 6 * 128 + 7 * 4  # twice three columns, and margins


@pytest.fixture(scope="module")
def colorizer(trained):
    return colorjax.Colorizer.load(trained[0])


def grey_noise(size, dtype=np.uint8):
    """Grey of any level, of such a size."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, size, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", SIZES)
def test_only_the_color_is_predicted(colorizer, size, dtype):
    """The result has the size, the depth and the L of the picture."""
    grey = grey_noise(size, dtype)
    result = colorizer(grey)
    assert result.shape == (*size, 3) and result.dtype == dtype
    top = np.iinfo(dtype).max
    source = rgb2lab(np.repeat(grey[..., None], 3, axis=2) / top)
    error = np.abs(rgb2lab(result / top) - source)[..., 0]
    assert np.percentile(error, 99) < (0.39 if dtype == np.uint8 else 0.02)


@pytest.mark.parametrize("size", SIZES)
def test_colors_are_those_of_the_prediction(colorizer, size):
    """On mid-grey, where every edge is the padding's, ab is the bilinear one."""
    grey = np.full(size, 128, np.uint8)
    ab = colorizer.predict(grey).ab
    planes = [images.resize(plane, size) for plane in np.moveaxis(ab, -1, 0)]
    lab = np.stack([rgb2lab(np.full((*size, 3), 128, np.uint8))[..., 0], *planes], -1)
    np.testing.assert_allclose(colorizer(grey), lab2rgb(lab) * 255, atol=1.01)


def test_replacing_ab_of_a_picture_with_its_own_colors_is_the_picture():
    picture = scene(3, 64)
    ab = rgb2lab(picture)[..., 1:].astype(np.float32)
    assert np.abs(replace_ab(picture, ab).astype(int) - picture).max() <= 1


def test_colors_of_the_input_do_not_matter_but_lightness_does(colorizer):
    picture = scene(3, 32)
    grey = replace_ab(picture, np.zeros((32, 32, 2), np.float32))
    ab = colorizer.predict(picture).ab
    rounding = np.abs(colorizer.predict(grey).ab - ab).max()  # of L, to 8 bits
    assert rounding < np.abs(colorizer.predict(255 - grey).ab - ab).max() / 2


def test_alpha_is_kept_and_what_is_behind_it_not_looked_at(colorizer):
    picture = np.dstack([scene(3, 48), np.full((48, 48), 255, np.uint8)])
    picture[:24, :, 3] = 0
    hidden = picture.copy()
    hidden[:24, :, :3] = 0
    first, second = colorizer([picture, hidden])
    np.testing.assert_array_equal(first[..., 3], picture[..., 3])
    np.testing.assert_array_equal(first[25:, :, :3], second[25:, :, :3])


def test_sequence_is_each_picture_by_itself(colorizer):
    pictures = [grey_noise(size) for size in SIZES] + [scene(i, 40) for i in range(5)]
    together = colorizer.predict(pictures, batch=4)
    assert [found.size for found in together] == [p.shape[:2] for p in pictures]
    for found, picture in zip(together, pictures, strict=True):
        alone = colorizer.predict(picture)
        assert found.logits.shape == alone.logits.shape
        np.testing.assert_allclose(found.ab, alone.ab, atol=1e-3)
        np.testing.assert_allclose(found.lightness, alone.lightness, atol=1e-3)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-3)
        decoded = alone.decode(alone.temperature)
        np.testing.assert_allclose(decoded, alone.ab, atol=1e-3)


@pytest.mark.slow
def test_a_folder_of_any_sizes_compiles_a_handful_of_programs(trained):
    """Nine for the net, two for painting, whatever comes in whatever numbers."""
    colorizer = Colorizer.load(trained[0])
    counted = chex.assert_max_traces(colorizer._predict.function.__wrapped__, n=9)
    colorizer._predict.function = jax.jit(counted)
    random = np.random.default_rng(0)
    sizes = random.integers(1, 400, (60, 2))
    before = compose._recolor_tile._cache_size()
    for some in np.array_split(sizes, 7):
        pictures = [np.zeros(size, np.uint8) for size in some]
        found = colorizer.predict(pictures, batch=3)
        for distribution, picture in zip(found, pictures, strict=True):
            colorizer.decode(distribution, picture, seed=1)
    assert compose._recolor_tile._cache_size() - before <= 2


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 4, 2), "uint8"), ((4, 4, 3), "float32"), ((0, 4), "uint8")],
)
def test_other_arrays_are_refused(colorizer, shape, dtype):
    with pytest.raises(TypeError, match="a picture is uint8 or uint16"):
        colorizer(np.zeros(shape, dtype))


def test_options_of_a_call_are_those_of_decode(colorizer):
    picture = scene(1, 40)
    found = colorizer.predict(picture)
    for options in (dict(temperature=2.0), dict(saturation=0.5), dict(seed=3)):
        called = colorizer(picture, **options)
        np.testing.assert_array_equal(
            called, colorizer.decode(found, picture, **options)
        )
        assert (called != colorizer(picture)).any()


def test_command_keeps_tree_and_sizes(trained, tmp_path, capsys):
    write_folder(tmp_path / "in", 2, side=20)
    write_folder(tmp_path / "in/deeper", 1, side=50)
    arguments = ["colorize", tmp_path / "in", "--run", trained[0]]
    assert cli.main([*map(str, arguments), "--out", str(tmp_path / "out")]) == 0
    assert "3 of 3 pictures written" in capsys.readouterr().out
    for name, side in {"000.png": 20, "001.png": 20, "deeper/000.png": 50}.items():
        picture = images.read((tmp_path / "out" / name).read_bytes())
        assert picture.shape == (side, side, 3)
        source = tmp_path / "in" / name
        expected = Colorizer.load(trained[0])(source)
        assert np.abs(np.int32(picture) - expected).max() <= 1  # they went together


def test_evaluate_reads_the_run_back(trained):
    workdir = trained[0]
    result = run_evaluate(f"--workdir={workdir}")
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


@pytest.mark.slow
def test_init_from_takes_every_weight_but_the_head(trained, tmp_path):
    workdir, config, _ = trained
    data = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=32, crop=32)
    method = dict(name="regression", width=1 / 16)
    config = write_config(
        tmp_path / "tuned.py", steps=1, data=data, method=method, init_from=str(workdir)
    )
    result = run_train(f"--config={config}", f"--workdir={tmp_path / 'tuned'}")
    assert result.code == 0, result.err
    line = next(x for x in result.err.splitlines() if "started from" in x)
    assert "G/params/head/kernel" in line and "conv1_1" not in line


@pytest.mark.slow
def test_notebook(tmp_path):
    """Its cells run one after another, as they are; their outputs are stored."""
    notebook = json.loads((ROOT / "docs/colorize.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert sum(bool(cell["outputs"]) for cell in cells) == len(cells)
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells))
    result = python(script, cwd=ROOT / "docs")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == "uint16"
