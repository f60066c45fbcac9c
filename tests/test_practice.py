"""Input of the kinds that people use every day: paths, options, lists, arrays."""

import argparse
from pathlib import Path

import pytest
from helpers import encode, scene

from colorjax import cli
from colorjax.apps import options
from colorjax.apps.colorize.plan import Wanted, plan
from colorjax.errors import UserError


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
