"""A mistake makes one line that names it, and no traceback; no file is lost."""

import json
import os
import resource
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import encode, run_colorjax, run_train, scene, write_config, write_folder

from colorjax import cli
from colorjax import config as configs
from colorjax.errors import UserError
from colorjax.evaluation import protocol
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution
from colorjax.train.checkpoint import Checkpoints
from colorjax.train.experiment import make_adam, make_dataset, make_method

BAD = {  # of 36 training pictures
    "001.png": b"",
    "002.png": b"Dear diary,",
    "003.png": encode(scene(3))[:400],
}
BAD_TEST = "010.png"  # one of 4 held out


def fails(result, *words, progress=()):
    """The process failed with one line that has the words, after lines of progress."""
    assert result.code != 0, result
    assert "Traceback" not in result.err, result.err
    *earlier, failure = result.err.splitlines()
    assert all(line.startswith(tuple(progress)) for line in earlier), result.err
    assert failure.startswith(("train.py: ", "colorjax: ")), result.err
    for word in words:
        assert str(word) in failure, (word, failure)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 images. Four cannot be read, and one has broken EXIF but can be read."""
    folder = write_folder(tmp_path_factory.mktemp("pictures"), 40)
    for name, data in {**BAD, BAD_TEST: b""}.items():
        (folder / name).write_bytes(data)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"
    (folder / "039.png").write_bytes(encode(scene(39), exif=exif))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory, folder):
    """The config file of a run on `folder`."""
    path = tmp_path_factory.mktemp("configs") / "tiny.py"
    return write_config(path, data=dict(root=str(folder), holdout="sorted"))


# ---- Configs and flags.

FLAGS = {  # on the command line, and what the line names
    "unknown key": (["--config.stepz=3"], "config.stepz"),
    "unknown key of a section": (["--config.data.rot=x"], "config.data.rot"),
    "wrong type": (["--config.steps=many"], "--config.steps=many"),
    "wrong value": (["--config.data.holdout=no"], "data.holdout"),
    "unknown flag": (["--wrokdir=x"], "wrokdir"),
    "no config": (["--config=no/such.py"], "no/such.py"),
}


@pytest.mark.parametrize("mistake", FLAGS)
def test_flags(mistake, config, tmp_path):
    flags, word = FLAGS[mistake]
    workdir = tmp_path / "run"
    fails(run_train(f"--config={config}", f"--workdir={workdir}", *flags), word)
    assert not workdir.exists()


def checked(path):
    """Read a config file and check its top level."""
    space = {}
    exec(path.read_text(), space)
    config = configs.to_dict(space["get_config"]())
    configs.check_keys(config)
    return config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(stepz=3), "config.stepz: no such key; there are seed, steps"),
        (dict(batch=None), "config.batch is missing"),
        (dict(optimizer=None), "config.optimizer is missing"),
        (dict(optimizer=3), "config.optimizer is 3"),
        (dict(steps="many"), "config.steps is 'many'"),
        (dict(steps=1.5), "config.steps is 1.5"),
        (dict(seed=-1), "config.seed is -1"),
        (dict(batch=0), "config.batch is 0"),
    ],
)
def test_config_file(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        checked(write_config(tmp_path / "tiny.py", **changes))


SECTIONS = {
    "data": make_dataset,
    "method": make_method,
    "optimizer": make_adam,
    "checkpoint": lambda section: configs.check_section(
        "checkpoint", Checkpoints, section, ["workdir"]
    ),
    "evaluation": protocol.make_evaluation,
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.rot", 3, "no such key; there are name, root"),
        ("method.widht", 1.0, "no such key; there are net, width"),
        ("optimizer.lr", 1e-3, "no such key; there are learning_rate"),
        ("checkpoint.workdir", "x", "no such key; there are every, keep"),
        ("evaluation.size", 4, "no such key; there are every"),
        ("optimizer.learning_rate", None, "is missing"),
        ("data.workers", -1, "is -1; it must be at least 0"),
        ("data.max_unreadable", 1.5, "is 1.5; it must be at most 1"),
        ("optimizer.learning_rate", -1e-3, "is -0.001; it must be at least 0"),
        ("optimizer.b1", 1.0, "is 1.0; it must be at most 0.999999"),
        ("optimizer.warmup", -1, "is -1; it must be at least 0"),
        ("method.width", 0.0, "is 0.0; it must be at least"),
        ("evaluation.replicates", -1, "is -1; it must be at least 1"),
        ("data.crop", "16", "is '16', which is not of type int"),
        ("data.root", 16, "is 16, which is not of type str"),
        ("data.mirror", 1, "is 1, which is not of type bool"),
        ("data.holdout", "none", "is 'none', which is not of .*'hash', 'sorted'"),
        ("method.width", "wide", "is 'wide', which is not of type float"),
        ("method.dtype", "float99", "is 'float99', which is not of .*'bfloat16'"),
        ("optimizer.learning_rate", "fast", "is 'fast', which is not of type float"),
        ("optimizer.clip", "no", "is 'no', which is not of type float | None"),
        (
            "optimizer.boundaries",
            3,
            "is 3, which is not of type collections.abc.Sequence",
        ),
        ("checkpoint.every", True, "is True, which is not of type int"),
        ("evaluation.batch", 2.5, "is 2.5, which is not of type int"),
    ],
)
def test_config_section(key, value, message, tmp_path):
    name, option = key.split(".")
    file = write_config(tmp_path / "tiny.py", **{name: {option: value}})
    with pytest.raises(UserError, match=f"^config.{key}:? {message}"):
        SECTIONS[name](checked(file)[name])


@pytest.mark.parametrize("name", ["nosuch", "os", "..cli", ""])
def test_no_such_method(name):
    message = f"method.name '{name}': no such method; there are .*zhang2016"
    with pytest.raises(UserError, match=message):
        SECTIONS["method"](dict(name=name))


def test_what_a_resumed_run_may_change(tmp_path):
    old = checked(write_config(tmp_path / "old.py", data=dict(root="x")))
    changes = dict(steps=9, evaluation=dict(batch=9), checkpoint=dict(every=9))
    changes["step"] = dict(patience=9)
    data = dict(root="x", workers=2, max_unreadable=0.5)
    new = checked(write_config(tmp_path / "new.py", data=data, **changes))
    configs.check_same(old, new, "runs/x")
    new = checked(write_config(tmp_path / "new.py", data=dict(root="y"), batch=8))
    with pytest.raises(UserError, match="runs/x .*batch: 4 -> 8; data.root: x -> y"):
        configs.check_same(old, new, "runs/x")


# ---- Training.


def test_empty_folder(config, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run_train(f"--config={config}", f"--config.data.root={tmp_path}/empty")
    fails(result, f"{tmp_path}/empty: no images found", ".jpg")


def test_batch_that_the_devices_do_not_divide(config, tmp_path):
    flags = f"--config={config}", f"--workdir={tmp_path}/run", "--config.batch=6"
    fails(run_train(*flags, devices=4), "batch 6", "4 devices", "for example 8")


@pytest.mark.parametrize("mistake", ["init_from", "grey"])
def test_a_start_that_fails_leaves_nothing(mistake, tmp_path):
    root = write_folder(tmp_path / "pictures", 12, side=16)
    if mistake == "grey":
        for path in root.iterdir():
            path.write_bytes(encode(np.full((16, 16, 3), 99, np.uint8)))
    data = dict(root=str(root), holdout="sorted")
    flags = {"init_from": "runs/qiuck", "grey": ""}
    config = write_config(tmp_path / "x.py", data=data, init_from=flags[mistake])
    result = run_train(f"--config={config}", f"--workdir={tmp_path}/run")
    words = {"init_from": ["runs/qiuck: no"], "grey": ["all 10 images", "are grey"]}
    fails(result, *words[mistake], progress=["estimating"])
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """The workdir of a run of two steps, and its process."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    return workdir, run_train(f"--config={config}", f"--workdir={workdir}")


def test_bad_files_among_good_ones(trained, folder):
    workdir, result = trained
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
    listed = ", ".join(str(folder / name) for name in BAD)
    assert f"3 unreadable images ({listed})" in result.out.splitlines()
    assert f"1 unreadable image ({folder / BAD_TEST})" in result.err.splitlines()
    assert (
        json.loads((workdir / "metrics.json").read_text())["protocol"]["pictures"] == 3
    )


def test_workdir_of_another_config(trained, config):
    workdir, _ = trained
    flags = "--config.batch=8", "--config.method.width=0.125"
    result = run_train(f"--config={config}", f"--workdir={workdir}", *flags)
    fails(result, workdir, "batch: 4 -> 8", "method.width: 0.0625 -> 0.125")


# JAX warns of a fork. This one only sets a limit and starts another program.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_full_disk(trained, config, tmp_path):
    """A checkpoint of a megabyte does not fit; the one before it can be used."""
    workdir = tmp_path / "run"
    shutil.copytree(trained[0], workdir)
    command = f"--config={config}", f"--workdir={workdir}", "--config.steps=4"

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    result = run_train(*command, preexec_fn=fill)
    progress = (
        f"{workdir}: going",
        "compiling",
        "first step",
        "step",
        "evaluating",
        "1 unreadable",
    )
    progress += "parameters of G", "  "
    fails(result, workdir, "File too large", "make room", progress=progress)
    result = run_train(*command)
    assert result.code == 0, result.err
    assert "going on from step 2" in result.err
    assert {path.name for path in (workdir / "checkpoints").iterdir()} == {"2", "4"}


# ---- The command.


@pytest.fixture
def mixed(tmp_path):
    """A folder with an image, a file that is no image, and an image in a subfolder."""
    write_folder(tmp_path / "mixed/deeper", 1)
    (tmp_path / "mixed/good.png").write_bytes(encode(scene(1)))
    (tmp_path / "mixed/diary.jpg").write_text("Dear diary,")
    return tmp_path / "mixed"


def test_colorize_good_files_among_bad_ones(trained, mixed, tmp_path):
    out = tmp_path / "out"
    result = run_colorjax("colorize", mixed, "--run", trained[0], "--out", out)
    fails(result, f"{mixed}/diary.jpg: not a picture", progress=["colorized"])
    assert result.code == 1
    assert f"2 of 3 pictures written to {out}" in result.out
    written = {p.relative_to(out) for p in out.rglob("*") if p.is_file()}
    assert written == {Path("good.png"), Path("deeper/000.png")}


def test_colorize_with_a_run_that_saved_nothing(trained, mixed, tmp_path):
    workdir = tmp_path / "run"
    workdir.mkdir()
    for name in ("config.json", "prior.npy"):
        shutil.copy(trained[0] / name, workdir)
    result = run_colorjax("colorize", mixed, "--run", workdir, "--out", tmp_path)
    fails(result, f"{workdir}: no checkpoint")
    assert result.code == 2


class Grey(Colorizer):
    """A colorizer that predicts grey."""

    has_logits = stochastic = False
    text = None

    def __init__(self):
        """It has no networks."""

    def predict(self, pictures, batch, seed, hints):
        plane = np.zeros((8, 8), np.float32)
        ab = np.zeros((8, 8, 2), np.float32)
        return [Distribution(p.shape[:2], plane, ab, source="x") for p in pictures]


@pytest.fixture
def colorize(monkeypatch, capsys):
    """`colorjax colorize` with the `Grey` colorizer: exit code and last line."""

    def command(*arguments):
        monkeypatch.setattr(Colorizer, "load", lambda *_: Grey())
        code = cli.main(["colorize", "--run", "x", *map(str, arguments)])
        return code, capsys.readouterr().err.splitlines()[-1]

    return command


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        (["mixed/none.jpg"], "out", "mixed/none.jpg: no such file or folder"),
        (["mixed/empty"], "out", "mixed/empty: no pictures in this folder"),
        (["mixed/good.png"], "out.xyz", "out.xyz: cannot write '.xyz' files"),
        (["mixed"], "mixed", "mixed/deeper/000.png is an input too"),
        (["mixed/good.png"], "mixed/good.png", "mixed/good.png is an input too"),
        (["mixed/good.png", "other/good.png"], "out", "would both be written to out/"),
    ],
)
def test_colorize_nothing(inputs, out, message, mixed, colorize, monkeypatch):
    monkeypatch.chdir(mixed.parent)
    (mixed / "empty").mkdir()
    (mixed / "empty/notes.txt").touch()
    shutil.copytree(mixed, "other")
    before = (mixed / "good.png").read_bytes()
    code, line = colorize(*inputs, "--out", out)
    assert code == 2 and message in line
    assert (mixed / "good.png").read_bytes() == before
    assert {p.name for p in mixed.parent.iterdir()} == {"mixed", "other"}


def test_colorize_skips_hidden_files_and_folders(mixed, colorize, tmp_path):
    (mixed / "._good.png").write_bytes(b"what a Macintosh leaves")
    (mixed / "folder.png").mkdir()
    (mixed / "diary.jpg").unlink()
    code, line = colorize(mixed, "--out", tmp_path / "out")
    assert code == 0 and line.startswith("colorized 2/2")


@pytest.mark.parametrize(
    ("out", "reason"), [("file", "is not a folder"), ("shut", "Permission denied")]
)
def test_colorize_cannot_write(out, reason, mixed, colorize, tmp_path):
    if out == "shut" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "file").touch()
    (tmp_path / "shut").mkdir(mode=0o500)
    code, line = colorize(mixed, "--out", tmp_path / out)
    assert code == 2 and f"{out}: cannot be written" in line and reason in line


def test_colorize_on_a_full_disk(mixed, colorize, tmp_path):
    """The large image does not fit. No part of it is left; the others are written."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    (mixed / "deeper/large.png").write_bytes(encode(noise))
    (mixed / "diary.jpg").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        code, line = colorize(mixed, "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert "out/deeper/large.png: cannot be written (File too large)" in line
    written = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert written == {"good.png", "000.png"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "0"], "--batch: 0 is less than 1"),
        (["--batch", "1.5"], "--batch: '1.5' is not a whole number"),
        (["--samples", "0"], "--samples: 0 is less than 1"),
        (["--samples", "1e9"], "--samples: 1e9 is more than 1,000"),
        (["--max-pixels", "0"], "--max-pixels: 0 is less than 1"),
        (["--max-pixels", "inf"], "--max-pixels: 'inf' is not a number"),
        (["--max-pixels", "many"], "--max-pixels: 'many' is not a number"),
        (["--seed", "-1"], "--seed: -1 is less than 0"),
        (["--step", "-1"], "--step: -1 is less than 0"),
        (["--temperature", "0"], "--temperature: 0 is less than 0.001"),
        (["--temperature", "nan"], "--temperature: 'nan' is not a number"),
        (["--saturation", "-1"], "--saturation: -1 is less than 0"),
        (["--palette", "red"], "palette: 'red' is no color"),
        (["--format", "xyz"], "cannot write '.xyz' files"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["--from-distribution", "y"], "either --run"),
        (["--device", "tpu"], "--device tpu: JAX finds no such device"),
        (["--temperature", "0.3"], "x: this method gives one color per pixel"),
        (
            ["--samples", "2"],
            "x: this method gives one color per pixel and uses no noise",
        ),
        (["--uncertainty"], "x: this method gives one color per pixel"),
        (["--save-distribution"], "x: this method gives one color per pixel"),
    ],
)
def test_colorize_options(options, message, mixed, colorize, tmp_path):
    platforms = jax.config.jax_platforms
    try:
        code, line = colorize(mixed, "--out", tmp_path / "out", *options)
    finally:
        jax.config.update("jax_platforms", platforms)
    assert code == 2 and message in line
    assert not (tmp_path / "out").exists()


def test_colorize_too_large(mixed, colorize, tmp_path):
    code, line = colorize(mixed / "good.png", "--out", tmp_path, "--max-pixels", 1000)
    assert code == 1 and "good.png: 32x32 pixels are more than the 0.001 mill" in line
