"""`colorjax colorize --text` with a run whose network reads text."""

import json

import numpy as np
import pytest
import readers
from helpers import encode, scene

from colorjax import cli, images
from colorjax.errors import UserError
from colorjax.hints import Guide, Point, from_json
from colorjax.inference.colorizer import Colorizer
from colorjax.method import Method
from colorjax.text import reading
from colorjax.text.parse import parse


@pytest.fixture
def colorizer(monkeypatch):
    return readers.colorizer(monkeypatch)


@pytest.fixture
def command(monkeypatch, capfd, tmp_path, colorizer):
    """`colorjax colorize photo.png ARGS`: exit code, errors, the picture, its plan."""
    monkeypatch.setattr(Colorizer, "load", lambda *_: colorizer)
    file, out = tmp_path / "photo.png", tmp_path / "out.png"
    file.write_bytes(encode(scene(1, 48)))

    def call(*arguments):
        args = ["colorize", file, "--out", out, "--overwrite", *arguments]
        code = cli.main(list(map(str, args)))
        error = capfd.readouterr().err
        if code:
            return code, error, None, {}
        plan = json.loads((tmp_path / "out.png.hints.json").read_text())
        return code, error, images.read(out.read_bytes()).astype(int), plan

    return call


def test_the_network_gets_the_words_and_the_plan_has_them(command, tmp_path):
    code, error, picture, plan = command("--text", "make the house crimson")
    assert code == 0
    assert "the network reads 'red house' and finds the place" in error
    assert plan == {"points": [], "only_here": False, "text": "red house"}
    assert (picture[..., 0] - picture[..., 2]).mean() > 20
    assert "without effect" not in error
    _, error, *_ = command("--text", "make the house crimson", "--places")
    assert "--places: without effect on that place" in error
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    again = command("--hints", tmp_path / "plan.json")
    assert again[0] == 0 and again[3] == plan
    np.testing.assert_array_equal(again[2], picture)


def test_given_places_are_hints_and_hints_win(command):
    box = "--box", "sky=0,0,100%,40%"
    code, error, picture, plan = command("--text", "red house, blue sky", *box)
    assert code == 0 and "hints fill the given places of: sky" in error
    assert plan.keys() == {"points", "strokes", "only_here", "text"}
    red, _, blue = np.moveaxis(picture, -1, 0)
    assert red[40, 24] > blue[40, 24] and blue[4, 24] > red[4, 24]
    box = "--box", "house=20%,50%,60%,90%"
    code, error, _, plan = command("--text", "red house", *box)
    assert code == 0 and "hints fill the given places of: house" in error
    assert "text" not in plan and "the network reads" not in error
    hint = "--hint", "50%,50%=#2457d6,20%"
    code, error, picture, plan = command("--text", "red house", *hint)
    assert code == 0 and "hints win over the text" in error
    assert picture[24, 24, 2] > picture[24, 24, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red car, blue sky", "this run reads 1 pair of a noun and a color; the text"),
        ("the left flower red", "does not know the side of the 'left flower'; give a"),
    ],
)
def test_what_the_network_cannot_read_is_an_error(command, text, message):
    code, error, *_ = command("--text", text)
    assert code == 1 and message in error and error.count("colorjax:") == 1


def test_a_place_of_no_noun_is_an_error(command):
    code, error, *_ = command("--text", "red car", "--at", "dog=50%,50%")
    assert code == 1 and "photo.png: 'dog' is no noun of the text" in error


def test_a_network_without_text_refuses_one():
    method = Method(lambda *_: {}, {}, lambda *_: None, serves=())
    colorizer = Colorizer(method, {}, [32], "runs/x")
    with pytest.raises(UserError, match="have the text 'red car', and this run reads"):
        colorizer.predict(scene(1), hints=Guide(text="red car"))


def test_pictures_of_a_batch_have_their_own_texts(colorizer):
    guides = [Guide(text="red car"), None, Guide([Point(0.5, 0.5, "#2457d6")])]
    one, two, three = colorizer.predict([scene(1)] * 3, batch=4, hints=guides)
    np.testing.assert_allclose(one.ab[0, 0], readers.AB["red"], rtol=1e-4)
    assert one.network_hints["text"] == "red car" and two.network_hints == {}
    with pytest.raises(UserError, match="the network has not read 'red car'; predict"):
        two.decode(hints=guides[0])
    assert not two.ab.any() and three.ab[0, 0, 1] < 0


def test_texts_of_guides():
    both = Guide(text="red car").joined(Guide(palette=["#aa5533"], text="blue car"))
    assert both.text == "blue car" and from_json(both.to_json()).text == "blue car"
    assert "text" not in json.loads(Guide(palette=["#aa5533"]).to_json())
    pairs = parse("navy car, the whole picture pale green, black dog")
    assert reading.sentence_of(pairs) == "blue car, green picture, grey dog"
