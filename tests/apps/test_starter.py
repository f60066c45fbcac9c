"""The run that comes with colorjax, and `colorjax pack`, which made it small."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from colorizers import UNIFORM, write_run
from examples import predict
from helpers import ROOT, TINY, encode, run_colorjax, run_train, scene, write_folder
from orbax.checkpoint import v1 as ocp

import colorjax
from colorjax import cli, files, images
from colorjax import config as configs
from colorjax.apps.pack import to_half
from colorjax.inference.colorizer import Colorizer
from colorjax.method import to_examples
from colorjax.train.checkpoint import save_nets
from colorjax.train.experiment import make_method
from colorjax.train.workdir import STARTER, load_run
from configs import starter


def stored_types(workdir, step):
    """Of the arrays in a checkpoint."""
    with ocp.training.Checkpointer(workdir / "checkpoints") as orbax:
        leaves = jax.tree.leaves(orbax.metadata(step).metadata["nets"])
    return {np.dtype(leaf.dtype) for leaf in leaves}


def contents(folder):
    """Every file below a folder, with its size and when it was changed."""
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path: (path.stat().st_size, path.stat().st_mtime) for path in found}


# ---- The run.


def test_colorize_needs_no_run(tmp_path):
    """A user's first command, in an empty folder; it changes nothing of the package."""
    before = contents(STARTER)
    (tmp_path / "photo.png").write_bytes(encode(scene(0, 96)))
    result = run_colorjax("colorize", "photo.png", "--out", "colored.png", cwd=tmp_path)
    assert result.code == 0, result.err
    found = images.read((tmp_path / "colored.png").read_bytes())
    expected = colorjax.Colorizer.load()(tmp_path / "photo.png")
    assert np.abs(found - expected.astype(int)).max() <= 1  # compiled otherwise
    assert np.ptp(found.astype(int), axis=-1).max() > 20  # of 255: colors are seen
    assert contents(STARTER) == before


def test_its_config_and_figures_are_there():
    config, figures = (
        files.read_json(STARTER / name) for name in ("config.json", "metrics.json")
    )
    recipe = configs.to_dict(starter.get_config())
    del recipe["data"]["cache"]  # changes no image
    assert config == recipe
    assert sum(size for size, _ in contents(STARTER).values()) < 10e6
    assert stored_types(STARTER, config["steps"]) == {np.dtype(np.float16)}
    ours, grey = (figures["rows"][row]["auc_balanced"] for row in ("this run", "grey"))
    assert ours["value"] > grey["value"] + 0.04


def test_info_without_a_run_is_about_it(capsys):
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"see {STARTER}/README.md" in out and "efficientnet_lite0" in out


# ---- pack.


@pytest.fixture
def workdir(tmp_path):
    """A run of random nets as train.py leaves one, but for the optimizer."""
    config = TINY | {"data": dict(root="pictures", resize=16, crop=16)}
    method = make_method(config["method"])
    batch = {"image": np.stack([scene(i) for i in range(4)])}
    nets = jax.jit(method.init)(jax.random.key(0), to_examples(batch))
    workdir = tmp_path / "run"
    workdir.mkdir()
    save_nets(workdir, jax.device_get(nets), 7)
    files.write_json(workdir / "config.json", config)
    np.save(workdir / "prior.npy", UNIFORM)
    (workdir / "log.jsonl").write_text("{}")
    return workdir


def test_packed_run_colors_as_the_run_does(workdir, capsys):
    out = workdir.parent / "small"
    assert cli.main(["pack", str(workdir), "--out", str(out)]) == 0
    assert f"{out}: step 7" in capsys.readouterr().out
    assert {x.name for x in out.iterdir()} == {
        "checkpoints",
        "config.json",
        "prior.npy",
    }
    assert stored_types(out, 7) == {np.dtype(np.float16)}
    for path in contents(out):
        assert str(workdir.parent).encode() not in path.read_bytes()
    whole, small = load_run(workdir), load_run(out)
    assert small.step == 7 and small.config == whole.config
    assert {x.dtype for x in jax.tree.leaves(small.nets)} == {np.dtype(np.float32)}
    lightness = to_examples({"image": scene(1, 64)[None]})["lightness"]
    ab = [predict(whole.method, x.nets, lightness).ab for x in (whole, small)]
    assert np.ptp(ab[0]) > 1  # ab unit
    np.testing.assert_allclose(*ab, atol=0.2)


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_only_the_nets_that_predict_are_packed(name, tmp_path):
    """Without discriminators and their pools."""
    section = dict(name=name, width=1 / 16, patch_layers=1)
    section |= dict(depth=4) if name == "pix2pix" else dict(blocks=1, pool=2)
    method = make_method(section, UNIFORM)
    batch = {"image": np.stack([scene(i) for i in range(2)])}
    batch["mask"] = np.ones(2, np.float32)
    if name == "cyclegan":
        batch |= {"other": batch["image"], "other_mask": batch["mask"]}
    nets = jax.device_get(method.init(jax.random.key(0), to_examples(batch)))
    workdir, out = tmp_path / "run", tmp_path / "small"
    workdir.mkdir()
    save_nets(workdir, nets)
    data = dict(root="pictures", resize=32, crop=32)
    files.write_json(workdir / "config.json", TINY | dict(method=section, data=data))
    np.save(workdir / "prior.npy", UNIFORM)
    assert cli.main(["pack", str(workdir), "--out", str(out)]) == 0
    small = load_run(out)
    assert set(small.nets) == {"G"} < set(nets)
    whole, packed = (
        Colorizer(method, x, [32]).predict(scene(1)).ab for x in (nets, small.nets)
    )
    assert np.ptp(whole) > 0.1 and np.isfinite(packed).all()
    np.testing.assert_allclose(whole, packed, atol=0.5)


def test_only_float32_becomes_half_unless_it_overflows():
    for array, kind in (
        (np.array([100_000], np.int32), np.int32),
        (np.array([1.5], np.float32), np.float16),
        (np.array([1e5], np.float32), np.float32),
        (np.zeros((0, 3), np.float32), np.float16),
    ):
        packed = to_half(array)
        assert packed.dtype == kind
        np.testing.assert_array_equal(packed, array)


def test_pack_leaves_nothing_after_a_mistake(workdir, capsys):
    before = sorted(workdir.parent.iterdir())
    for run_, out, message in (
        (workdir, workdir, "exists and is not empty"),
        (workdir.parent / "none", workdir.parent / "new", "no config.json"),
        (workdir, workdir / "config.json/new", "cannot be written (Not a directory)"),
    ):
        assert cli.main(["pack", str(run_), "--out", str(out)]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert sorted(workdir.parent.iterdir()) == before


@pytest.mark.slow
def test_a_larger_run_teaches_it(tmp_path):
    """As the config says: the student comes nearer to the colors of its teacher."""
    pictures, colorized = tmp_path / "pictures", tmp_path / "colorized"
    write_folder(pictures, 40, side=160)
    teacher = write_run(tmp_path / "teacher", "regression")
    result = run_colorjax("colorize", pictures, "--run", teacher, "--out", colorized)
    assert result.code == 0, result.err
    flags = f"--config.data.root={colorized}", "--config.batch=4"

    def distance(steps):
        workdir = tmp_path / str(steps)
        result = run_train(
            f"--config={ROOT / 'configs/distill.py'}",
            f"--workdir={workdir}",
            f"--config.steps={steps}",
            *flags,
        )
        assert result.code == 0, result.err
        metrics = json.loads((workdir / "metrics.json").read_text())
        return metrics["rows"]["this run"]["rmse_ab"]["value"]

    assert distance(40) < 0.8 * distance(1)
