"""`colorjax colorize --text`: the plan beside the result, questions, and refusals."""

import json

import numpy as np
import pytest
from colorizers import GreyColorizer
from golden.clip_tensors import COARSE, clip_tensors, write_clip
from helpers import encode, scene

from colorjax import cli, images
from colorjax.inference.colorizer import Colorizer
from colorjax.words import classes

BOX = "house=30%,40%,70%,90%"


@pytest.fixture
def command(monkeypatch, capfd):
    """`colorjax colorize ARGS` without a network: exit code and errors."""
    monkeypatch.setattr(Colorizer, "load", lambda *_: GreyColorizer())

    def call(*arguments):
        code = cli.main(["colorize", *map(str, arguments)])
        return code, capfd.readouterr().err

    return call


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(encode(scene(1, 90)[:60]))
    return file


def test_the_plan_makes_the_picture_again(picture, command, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    text = "--text", "make the house blue", "--box", BOX, "--places"
    assert command(picture, "--out", first, *text)[0] == 0
    saved = tmp_path / "first.png.hints.json"
    assert json.loads(saved.read_text()).keys() == {"points", "strokes", "only_here"}
    assert command(picture, "--out", again, "--hints", saved)[0] == 0
    assert again.read_bytes() == first.read_bytes()
    assert (tmp_path / "first.png.places.png").exists()
    red, _, blue = images.read(first.read_bytes())[39, 45].astype(int)
    assert blue > red + 20


def test_a_folder_and_a_hint(picture, command, tmp_path):
    (tmp_path / "other.png").write_bytes(encode(scene(2, 50)))
    text = "--text", "the whole picture yellow", "--out", tmp_path / "out"
    assert command(tmp_path, *text)[0] == 0
    assert (tmp_path / "out/other.png.hints.json").exists()
    hint = "--hint", "50%,50%=#2457d6,20%"
    code, err = command(picture, *text, *hint, "--overwrite")
    assert code == 0 and "hints win over the text on parts of: picture" in err
    red, _, blue = images.read((tmp_path / "out/photo.png").read_bytes())[30, 45]
    assert int(blue) > int(red)


def test_an_unsure_place_is_a_question(picture, command, monkeypatch, tmp_path):
    flat = np.zeros((14, 21, 1000), np.float32)
    monkeypatch.setattr(classes, "class_maps", lambda _: flat)
    monkeypatch.setattr(classes, "nearest_classes", lambda _: (np.arange(10), 0.9))
    out = tmp_path / "out.png"
    code, err = command(picture, "--out", out, "--text", "house red")
    assert code == 2 and not out.exists()
    assert "not sure where to find the house" in err
    assert "--box 'house=X0,Y0,X1,Y1' or --at 'house=X,Y'" in err
    drawing = tmp_path / "out.png.places.png"
    assert f"{drawing} shows the guess" in err
    assert images.read(drawing.read_bytes()).shape == (60, 90, 3)


def test_clip_searches_the_text(picture, command, tmp_path):
    """Its certainty has not been measured, so each place is a question."""
    file = write_clip(tmp_path, clip_tensors(COARSE))
    text = "--text", "cat red", "--clip", file
    code, err = command(picture, "--out", tmp_path / "x.png", *text)
    assert code == 2 and "not sure where to find the cat, perhaps at" in err
    assert (tmp_path / "x.png.places.png").exists()
    text = *text, "--at", "cat=50%,50%"
    assert command(picture, "--out", tmp_path / "x.png", *text)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "house"], "--text: 'house': no word in it is a color"),
        (["--box", BOX], "--box, --at and --places need --text"),
        (["--text", "red house", "--box", "house=1,2,3"], "'house=1,2,3' is no box"),
        (["--text", "red house", "--at", "house=1.2.3,1"], "is no point like"),
        (["--text", "red house", "--clip", "/no/clip.pt"], "/no/clip.pt: No such file"),
        (["--text", "red house", "--at", "car=1,2"], "'car' is no noun of the text"),
        (["--text", "red house", "--at", "house=900,2"], "not inside the picture"),
    ],
)
def test_wrong_text(arguments, message, picture, command, tmp_path):
    code, err = command(picture, "--out", tmp_path / "out.png", *arguments)
    assert code and message in err and "Traceback" not in err
    assert not (tmp_path / "out.png").exists()


def test_places_are_those_of_one_picture(picture, command, tmp_path):
    (tmp_path / "other.png").write_bytes(encode(scene(2, 50)))
    code, err = command(tmp_path, "--text", "house red", "--box", BOX)
    assert code == 2 and "--box and --at are for one picture, not for 2" in err
