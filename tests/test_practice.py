"""Input of the kinds that people use every day: paths, options, lists, arrays."""

import argparse
import copy
import io
import os
import pickle
import queue
import signal
import time
from dataclasses import replace
from inspect import isclass
from pathlib import Path
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from colorizers import random_colorizer
from helpers import encode, scene, write_folder
from PIL import Image

import colorjax
from colorjax import cli, command_line, images, methods
from colorjax import config as configs
from colorjax.apps import options
from colorjax.apps.colorize.jobs import Wanted
from colorjax.apps.colorize.plan import plan
from colorjax.data.pipeline import ImageDataset
from colorjax.data.statistics import color_statistics
from colorjax.distributed import make_mesh
from colorjax.errors import UserError
from colorjax.evaluation.overlap import count_overlap
from colorjax.evaluation.protocol import Evaluation, common_dataset
from colorjax.evaluation.results import Protocol, record_to_json
from colorjax.inference import decode
from colorjax.train import optim, stopping
from colorjax.train.checkpoint import Checkpoints
from colorjax.train.step import StepOptions
from colorjax.train.stopping import StopSignals
from colorjax.train.workdir import load_run

METHODS = ("cyclegan", "palette", "pix2pix", "regression", "zhang2016")


@pytest.fixture
def inside(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current one and the home directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path


def write_pictures(*names: str) -> None:
    """Write a scene to each of the paths."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(encode(scene(1)))


def targets(inputs, out=None, kind=None) -> list[str]:
    """The files that `colorjax colorize` writes."""
    return [str(job.target) for job in plan(inputs, out, kind, Wanted()).jobs]


# ---- The commands.


def test_without_a_command_there_is_help(capsys):
    assert cli.main([]) == 0
    assert "colorize" in capsys.readouterr().out


def test_options_of_values():
    assert options.count("50M") == 50_000_000
    assert options.count("1.5G") == 1_500_000_000
    assert options.count("200e6") == 200_000_000
    assert options.picture_format(".PNG") == "png"
    for text in ("inf", "nan", "", "M", "1.5", "0", "-3", "50 M B"):
        with pytest.raises(argparse.ArgumentTypeError):
            options.count(text)


def test_each_number_of_a_config_has_a_range():
    sections = {"data": ImageDataset, "optimizer": optim.Adam, "step": StepOptions}
    sections |= {"checkpoint": Checkpoints, "evaluation": Evaluation}
    builders = [("method", methods.builder(name)) for name in METHODS]
    for section, function in [*sections.items(), *builders]:
        hints = get_type_hints(function.__init__ if isclass(function) else function)
        for key, hint in hints.items():
            numeric = {int, float} & {hint, *get_args(hint)}
            if numeric and key != "steps":
                assert f"{section}.{key}" in configs.RANGES


# ---- Paths.


def test_home_directory(inside):
    write_pictures("home/in/a.png", "home/in/b.png")
    assert options.path("~/in") == str(inside / "home/in")
    for name in ("~", "a~b", "~/x"):
        assert "~" not in options.path(name) or name == "a~b"
    flags = command_line.expand_flags(
        ["--workdir=~/run", "--config.data.root=~/in", "-x"]
    )
    home = str(inside / "home")
    assert flags == [f"--workdir={home}/run", f"--config.data.root={home}/in", "-x"]
    assert len(ImageDataset(root="~/in", holdout="sorted").source("all")) == 2
    images.write("~/out/a.png", scene(1))
    assert (inside / "home/out/a.png").exists() and not Path("~").exists()


@pytest.mark.parametrize("name", ["\u5199" * 83 + ".png", "a" * 251 + ".png"])
def test_longest_names(name, inside):
    images.write(f"out/{name}", scene(1))
    assert [path.name for path in Path("out").iterdir()] == [name]


def test_results_whose_names_are_too_long(inside):
    name = "a" * 250 + ".png"
    write_pictures(name)
    with pytest.raises(UserError, match="a name of 256 bytes is longer than the 255"):
        plan([name], "out", None, Wanted(samples=10))


# ---- Lists of images.


@pytest.fixture
def listed(inside):
    """A function that writes a list of images and opens what it names of 40 images."""
    write_folder(inside / "pics", 40)
    names = [f"{i:03d}.png" for i in range(40)]

    def count(data: bytes, **settings) -> int:
        Path("list.txt").write_bytes(data)
        dataset = ImageDataset(
            root="pics", holdout="sorted", list="list.txt", **settings
        )
        return len(dataset.source("train"))

    return names, count


LISTS = {
    "LF": lambda names: "\n".join(names).encode(),
    "CRLF": lambda names: "\r\n".join(names).encode(),
    "BOM": lambda names: "\ufeff".encode() + "\n".join(names).encode(),
    "UTF-16": lambda names: "\r\n".join(names).encode("utf-16"),
    "./": lambda names: "\n".join(f"./{x}" for x in names).encode(),
    "backslashes": lambda names: "\n".join(f".\\{x}" for x in names).encode(),
    "from outside": lambda names: "\n".join(f"pics/{x}" for x in names).encode(),
    "absolute": lambda names: "\n".join(
        f"{Path.cwd()}/pics/{x}" for x in names
    ).encode(),
    "spaces": lambda names: "\n\n".join(f"{x} " for x in names).encode(),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_any_program(kind, listed):
    names, count = listed
    assert count(LISTS[kind](names)) == 36


def test_lines_that_match_nothing(listed, capsys):
    names, count = listed
    lines = "\n".join([*names[:20], "x.png", "y.png", "z.png", "w.png"]).encode()
    message = "4 lines of 24 match no image \\('x.png', 'y.png', 'z.png', ...\\); mend"
    with pytest.raises(UserError, match=message):
        count(lines)
    assert count(lines, max_unmatched=4) == 18
    assert "4 lines of 24 match no image" in capsys.readouterr().err


# ---- In Python.


@pytest.fixture(scope="module")
def colorizer():
    """One with random weights that sees pictures of 32 pixels."""
    return random_colorizer("zhang2016")


def test_whatever_holds_a_picture(colorizer, inside):
    pixels = scene(1, 40)
    write_pictures("a.png")
    Path("a.png").write_bytes(encode(pixels))
    expected = colorizer(pixels)
    pillow = Image.fromarray(pixels)
    sources = ["a.png", Path("a.png"), encode(pixels), pillow, jnp.asarray(pixels)]
    sources += [io.BytesIO(encode(pixels)), pillow.convert("RGBA")]
    for source in sources:
        np.testing.assert_array_equal(colorizer(source)[..., :3], expected)
    both = colorizer(x for x in (pillow, "a.png"))
    assert len(both) == 2 and (both[1] == expected).all()
    distribution = colorizer.predict("a.png")
    assert (colorizer.decode(distribution, "a.png") == expected).all()
    deep = Image.fromarray(np.full((40, 40), 999, np.uint16))
    assert colorizer(deep).dtype == np.uint16


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "an array of uint8 or uint16, or a sequence of them, not None"),
        (3, "a picture is the name of a file"),
        ([None], "not NoneType"),
        (io.StringIO("x"), "not StringIO"),
        ("https://example.com/a.jpg", "not an address; download it first"),
        (np.zeros((4, 4), np.float32), "multiply floats in .0, 1. by 255"),
        (Image.new("F", (4, 4)), "levels of no known range"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_picture(value, message, colorizer):
    with pytest.raises((TypeError, UserError), match=message) as caught:
        colorizer(value)
    assert "\n" not in str(caught.value)


def test_a_colorizer_can_be_copied():
    loaded = colorjax.Colorizer.load()
    assert repr(loaded) == "Colorizer('starter, step 900', sizes=128+256)"
    clone = pickle.loads(pickle.dumps(loaded))
    jax.tree.map(np.testing.assert_array_equal, clone.nets, loaded.nets)
    assert repr(copy.copy(loaded)) == repr(loaded) == repr(clone)


def test_public_names():
    assert {"Colorizer", "write_image", "__version__"} <= set(dir(colorjax))
    assert colorjax.write_image is images.write


def test_a_map_of_uncertainty_has_a_legend():
    shown = np.zeros((30, 50, 3), np.uint8)
    page = decode.with_legend(shown)
    assert page.shape == (66, 308, 3) and (page[:30, :50] == 0).all()
    left, right = page[52, 80].astype(int), page[52, 280].astype(int)
    assert left[2] > left[0] + 50 and right[0] > right[2] + 50  # blue, yellow


# ---- Training data.


def test_grey_images_are_no_training_data(inside):
    mesh = make_mesh()
    grey = np.repeat(scene(1)[..., :1], 3, axis=2)
    batch = {"image": np.stack([grey] * 3 + [scene(1)]), "mask": np.ones(4, np.float32)}
    colors = color_statistics([batch], mesh)
    assert (colors.images, colors.colored) == (4, 1)


def test_the_first_ctrl_c_asks_to_stop(monkeypatch):
    messages = queue.SimpleQueue()
    monkeypatch.setattr(stopping, "report", messages.put)
    with StopSignals() as stop:
        assert not stop.requested(1)
        with stop.interruptible():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
            raise AssertionError("the block goes on")
        assert stop.requested(2) and stop.exit_code == 130
        message = messages.get(timeout=5)
        assert message == "stopping after this step; Ctrl-C again ends the run now"


# ---- Evaluation.


def test_a_run_is_evaluated_on_its_own_split(tiny_run, inside):
    """However its folder is spelled; images that it has trained on are counted."""
    workdir = tiny_run().workdir
    run = load_run(workdir)
    root = run.config["data"]["root"]
    Path("link").symlink_to(root)
    for overrides in ({}, {"root": "link"}, {"root": f"{root}/"}):
        dataset, prior = common_dataset({"run": run}, overrides)
        assert dataset.holdout == "sorted" and prior is not None
        arguments = {"run": run}, {"run": str(workdir)}, dataset
        assert count_overlap(*arguments, dataset.source("test")) == {}
        assert count_overlap(*arguments, dataset.source("all")) == {"run": 36}
    dataset, _ = common_dataset({"run": run}, {"root": "link", "holdout": "hash"})
    arguments = {"run": run}, {"run": str(workdir)}, dataset
    assert count_overlap(*arguments, dataset.source("test")) == {"run": 5}


def test_the_protocol_has_an_overlap_only_where_there_is_one():
    protocol = Protocol("x", "test", 4, "0", 16, "none", 2, {})
    assert "overlap" not in record_to_json(protocol)
    protocol = replace(protocol, overlap={"run": 4})
    assert record_to_json(protocol)["overlap"] == {"run": 4}


# ---- Names of results.


@pytest.mark.parametrize(
    ("inputs", "out", "expected"),
    [
        (["a.png"], "2024.05.01/", ["2024.05.01/a.png"]),
        (["a.png", "b.png"], "2024.05.01", ["2024.05.01/a.png", "2024.05.01/b.png"]),
        (["a.png", "./a.png"], "out", ["out/a.png"]),
        (["in/c.png", "in"], "out", ["out/c.png", "out/d.png"]),
        (["a.png", "in"], None, ["a-colorized.png", "in-colorized/c.png"]),
        (["a.png", "a-colorized.png"], None, ["a-colorized.png"]),
    ],
)
def test_where_results_are(inputs, out, expected, inside):
    write_pictures("a.png", "a-colorized.png", "b.png", "in/c.png", "in/d.png")
    assert targets(inputs, out)[: len(expected)] == expected


@pytest.mark.parametrize("inputs", [["a.png", "b.png"], ["in"]])
def test_several_results_in_one_file(inputs, inside):
    write_pictures("a.png", "b.png", "in/c.png")
    with pytest.raises(UserError, match="--out two.png names one picture"):
        plan(inputs, "two.png", None, Wanted())


def test_results_of_one_name(inside):
    write_pictures("in/1.jpg", "in/1.png", "in/1.tif", "in/2.jpg")
    planned = plan(["in"], "out", "png", Wanted())
    names = ["1.jpg.png", "1.png", "1.tif.png", "2.png"]
    assert [job.target for job in planned.jobs] == [Path("out", x) for x in names]
    assert planned.notes == [
        "in/1.jpg: written to out/1.jpg.png, a name of its own",
        "in/1.tif: written to out/1.tif.png, a name of its own",
    ]


def test_one_bad_input_does_not_stop_the_others(inside):
    write_pictures("a.png")
    Path("notes.txt").write_text("Dear diary,")
    planned = plan(["a.png", "notes.txt", "none.png"], "out", None, Wanted())
    assert [job.name for job in planned.jobs] == ["a.png"]
    first, second = planned.failures
    assert first.startswith("notes.txt: its name does not end like that of a picture")
    assert second == "none.png: no such file or folder"
