"""Text on the page of `colorjax serve`, without a server."""

import numpy as np
import pytest
from colorizers import GreyColorizer
from helpers import encode, scene

from colorjax import cli
from colorjax.apps.serve.sessions import Sessions
from colorjax.apps.serve.settings import Settings
from colorjax.apps.serve.texts import overlay, place_text, read_things, things_of
from colorjax.errors import UserError
from colorjax.hints import Guide, Point
from colorjax.inference.colorizer import Colorizer
from colorjax.words import Pair, Region, classes

PLAIN = Settings("grey")
HOUSE = "make the house blue"
BOX = [0.3, 0.4, 0.7, 0.9]
MAX_PIXELS = 1_000_000


@pytest.fixture
def photo(tmp_path):
    """A picture of 60x90 pixels on the page; the run predicts no color."""
    sessions = Sessions({"grey": GreyColorizer()}, tmp_path / "files", MAX_PIXELS)
    session = sessions.enter("me")
    sessions.add(session, "a.png", encode(scene(1, 90)[:60]), PLAIN)
    return session.chosen


@pytest.fixture
def doubt(monkeypatch):
    """A classifier that is not sure of anything."""
    flat = np.zeros((14, 21, 1000), np.float32)
    monkeypatch.setattr(classes, "class_maps", lambda _: flat)
    monkeypatch.setattr(classes, "nearest_classes", lambda _: (np.arange(10), 0.9))


def written(sentence, **places):
    """The things of a sentence, as the page sends them, with places by name."""
    sent = [
        thing | {"place": places.get(thing["name"])} for thing in things_of(sentence)
    ]
    return read_things(sent)


def placed(photo, sentence, before=None, **places):
    return place_text(
        written(sentence, **places), before, lambda: photo.read(MAX_PIXELS)
    )


@pytest.mark.parametrize(
    ("place", "option"),
    [(BOX, "--box=house=30%,40%,70%,90%"), ([0.5, 0.6], "--at=house=50%,60%")],
)
def test_the_command_writes_the_same(photo, place, option, tmp_path, monkeypatch):
    photo.settings = PLAIN._replace(text=placed(photo, HOUSE, house=place))
    prediction, _ = photo.predict(GreyColorizer(), photo.settings, MAX_PIXELS)
    saved = photo.write_full(prediction, photo.settings, ".png", MAX_PIXELS)
    hints = photo.write_hints(prediction)
    monkeypatch.setattr(Colorizer, "load", lambda *_: GreyColorizer())
    (tmp_path / "a.png").write_bytes(photo.data)
    out = tmp_path / "out.png"
    command = ["colorize", str(tmp_path / "a.png"), "--out", str(out)]
    assert cli.main([*command, "--text", HOUSE, option]) == 0
    assert saved.read_bytes() == out.read_bytes()
    beside = tmp_path / "out.png.hints.json"
    assert hints.read_bytes() == beside.read_bytes()


def test_a_thing_has_no_color_until_its_place_is_sure(photo, doubt):
    text = placed(photo, HOUSE)
    photo.settings = PLAIN._replace(text=text)
    assert not photo.settings.has_hints and photo.settings.guide((60, 90)) is None
    region = text.to_json((60, 90), None)["regions"]["house"]
    assert not region["sure"] and region["overlay"]
    prediction, _ = photo.predict(GreyColorizer(), photo.settings, MAX_PIXELS)
    with pytest.raises(UserError, match="a.png: there are no hints yet"):
        photo.write_hints(prediction)
    both = f"{HOUSE}, red door"
    text = placed(photo, both, before=text, house=BOX)
    assert [region.sure for region in text.regions] == [True, False]
    again = placed(photo, f"red door, {HOUSE}", before=text, house=BOX)
    assert again.regions == text.regions[::-1]  # not searched again
    levels = again.guide((60, 90), None).strokes[39, 45]
    assert levels.tolist() == [*again.things[1].pair.levels(), 255]


def test_hints_win_and_this_is_said(photo):
    text = placed(photo, HOUSE, house=BOX)
    hints = Guide([Point(0.5, 0.65, "#d5202a", 0.1)])
    assert text.to_json((60, 90), hints)["overruled"] == ["house"]
    guide = text.guide((60, 90), hints)
    assert guide.strokes[39, 45, 3] == 0 and guide.points == hints.points


def test_an_outline_is_dashed_if_the_place_is_not_sure():
    mask = np.zeros((60, 90), bool)
    mask[20:40, 30:60] = True
    pair = Pair("car", (), "#d5202a")
    sure, unsure = (
        overlay(Region(pair, mask, (0.5, 0.5), certainty), (60, 90))
        for certainty in (9.0, 0.0)
    )
    assert (sure[20, 30:60] == 255).all() and not sure[~mask].any()
    assert 5 < (unsure[20, 30:60, 3] == 255).sum() < 25
    assert sure[30, 45, 3] < unsure[30, 45, 3] < 255


def test_what_the_page_shows_of_words():
    car, sky = things_of("the left car dark red, pale blue sky")
    assert (car["name"], car["label"]) == ("left car", "dark red")
    assert (sky["name"], sky["label"], sky["place"]) == ("sky", "pale blue", None)
    assert sky["look"].startswith("#") and len(sky["look"]) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sides": ["nowhere"]}, "no text that can be read; reload it"),
        ({"chroma": -1}, "no text that can be read"),
        ({"chroma": None}, "no text that can be read"),
        ({"place": [0.5]}, "no text that can be read"),
        ({"place": "ab"}, "no text that can be read"),
        ({"color": "#12345"}, "'#12345' is no color"),
    ],
)
def test_invented_things_are_refused(change, message):
    things = things_of(HOUSE)
    with pytest.raises(UserError, match=message):
        read_things([things[0] | change])
    for values in (None, {}, [None], things * 51):
        with pytest.raises(UserError, match="no text that can be read|at most 50"):
            read_things(values)
