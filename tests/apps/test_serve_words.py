"""The page of `colorjax serve` with a run whose network reads text, in process."""

import json

import gradio as gr
import numpy as np
import pytest
import readers
from colorizers import GreyColorizer
from helpers import encode, scene

from colorjax import cli, images
from colorjax.apps.serve.events import Events
from colorjax.apps.serve.hinting import HintEvents
from colorjax.apps.serve.sessions import Sessions
from colorjax.apps.serve.settings import Settings
from colorjax.apps.serve.texts import things_of
from colorjax.apps.serve.views import Views
from colorjax.errors import UserError
from colorjax.hints import Guide, Point
from colorjax.inference.colorizer import Colorizer
from colorjax.words import classes

ME = gr.Request(session_hash="me")
BOX = [0.2, 0.5, 0.6, 0.9]
POINT = Guide([Point(0.5, 0.25, "#00ad20", 0.1)])


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page with a picture and two runs: one reads text, the other predicts grey."""
    monkeypatch.setattr(GreyColorizer, "temperature", 1.0, raising=False)
    runs = {"reads": readers.colorizer(monkeypatch), "grey": GreyColorizer()}
    sessions = Sessions(runs, tmp_path / "files", 1_000_000)
    session = sessions.enter("me")
    sessions.add(session, "a.png", encode(scene(1, 48)), Settings("reads"))
    views = Views(sessions, {"reads": "runs/reads", "grey": "runs/grey"})
    return HintEvents(sessions, views)


@pytest.fixture
def doubt(monkeypatch):
    """A classifier that is not sure of anything."""
    flat = np.zeros((14, 14, 1000), np.float32)
    monkeypatch.setattr(classes, "class_maps", lambda _: flat)
    monkeypatch.setattr(classes, "nearest_classes", lambda _: (np.arange(10), 0.9))


def picture_of(page):
    return page.sessions.get("me")[1]


def say(page, sentence="", guide=None, guidance=None, **places):
    """Send a text, hints and a guidance as the page does: the answer, the command."""
    things = things_of(sentence) if sentence else []
    text = [thing | {"place": places.get(thing["name"])} for thing in things]
    value = {
        "picture": picture_of(page).folder.name,
        "hints": "" if guide is None else guide.to_json(),
        "text": text,
        "guidance": guidance,
    }
    _, command, answer = page.change_hints(value, "grey", ME)
    return answer, command


def load(page, text):
    return page.load_hints("grey", gr.EventData(None, {"text": text}), ME)[0]


def saved(page):
    """The picture and the hints that the page saves."""
    session, picture = page.sessions.get("me")
    prediction = page.sessions.predict(session, picture, picture.settings)
    settings = picture.settings
    result = picture.write_full(prediction, settings, ".png", page.sessions.max_pixels)
    return result.read_bytes(), picture.write_hints(prediction).read_bytes()


@pytest.mark.parametrize(
    ("guide", "places", "options"),
    [
        (None, {}, []),
        (POINT, {}, ["--hint=50%,25%=#00ad20,10%"]),
        (
            POINT,
            {"sky": BOX},
            ["--hint=50%,25%=#00ad20,10%", "--box=sky=20%,50%,60%,90%"],
        ),
    ],
    ids=["text", "hint", "box"],
)
@pytest.mark.parametrize("guidance", [None, 0.5])
def test_the_command_writes_the_same(
    page, guide, places, options, guidance, tmp_path, monkeypatch
):
    text = "crimson car, blue sky" if places else "crimson car"
    _, command = say(page, text, guide, guidance, **places)
    own = [] if guidance is None else [f"--guidance={guidance}"]
    assert ("--guidance 0.5" in command) == bool(own)
    result = saved(page)

    def run(workdir, step, settings, size):
        return page.views.colorizers["reads"].with_options(**settings)

    monkeypatch.setattr(Colorizer, "load", run)
    file, out = tmp_path / "a.png", tmp_path / "out.png"
    file.write_bytes(picture_of(page).data)
    command = ["colorize", str(file), "--out", str(out), "--text", text, *own]
    assert cli.main([*command, *options]) == 0
    beside = tmp_path / "out.png.hints.json"
    assert (out.read_bytes(), beside.read_bytes()) == result
    (tmp_path / "hints.json").write_bytes(result[1])
    again = ["colorize", str(file), "--out", str(tmp_path / "again.png"), *own]
    assert cli.main([*again, "--hints", str(tmp_path / "hints.json")]) == 0
    assert (tmp_path / "again.png").read_bytes() == result[0]


def test_the_page_says_what_the_network_reads(page, doubt):
    """What the network does not read needs a place, as with other runs."""
    answer, command = say(page, "crimson car, blue sky")
    assert answer["reads"] == "red car" and "--hints a.png.hints.json" in command
    assert answer["regions"]["car"] == {
        "sure": True,
        "center": (0.5, 0.5),
        "overlay": None,
    }
    assert not answer["regions"]["sky"]["sure"]
    answer, _ = say(page, "crimson car, blue sky", car=BOX)
    assert answer["reads"] == "blue sky" and answer["regions"]["car"]["overlay"]
    answer, _ = say(page, "left car red, the picture blue")
    assert answer["reads"] == "" and not answer["regions"]["left car"]["sure"]
    with pytest.raises(UserError, match="'blurple car': no word in it is a color"):
        things_of("blurple car")


def test_guidance_counts_where_the_network_reads_a_text(page):
    shown = page.views.hints(picture_of(page))
    assert shown["guidance"] is None and shown["own_guidance"] == 1
    _, command = say(page, guide=POINT, guidance=4.0)
    assert "--guidance" not in command
    plain = saved(page)[0]
    _, command = say(page, "red car", guidance=0.0)
    assert "--guidance 0 " in command
    none = images.read(saved(page)[0])
    _, command = say(page, "red car", guidance=1.5)
    assert "--guidance 1.5 " in command
    assert np.abs(none.astype(int) - images.read(saved(page)[0])).mean() > 5
    assert page.views.hints(picture_of(page))["guidance"] == 1.5
    assert images.read(plain).shape == none.shape
    for value in (-1, 11, 0.3, "1", [1], float("nan")):
        with pytest.raises(UserError, match="guidance goes from 0 to 10 in steps"):
            say(page, "red car", guidance=value)


def test_the_text_of_a_file_of_hints_is_not_lost(page, doubt):
    say(page, "red car", POINT)
    hints = saved(page)[1]
    say(page)
    shown = load(page, hints.decode())
    assert [thing["name"] for thing in shown["text"]] == ["car"]
    assert "text" not in json.loads(shown["hints"]) and shown["reads"] == "red car"
    assert saved(page)[1] == hints
    shown = load(page, Guide(text="red car").to_json())
    assert shown["hints"] == "" and shown["reads"] == "red car"
    picture = picture_of(page)
    picture.settings = Settings("grey")
    shown = load(page, Guide(text="red car").to_json())
    assert shown["reads"] == "" and not shown["regions"]["car"]["sure"]


def test_another_run_reads_the_text_or_asks(page, doubt, monkeypatch):
    monkeypatch.setattr(gr, "Warning", None)  # nothing is lost
    events = Events(page.sessions, page.views, 1)
    say(page, "red car", guidance=2.0)
    *_, shown = events.switch("grey", "grey", ME)
    assert shown["reads"] == "" and not shown["regions"]["car"]["sure"]
    assert shown["own_guidance"] is None
    *_, command, shown = events.switch("grey", "reads", ME)
    assert shown["reads"] == "red car" and shown["regions"]["car"]["overlay"] is None
    assert "--guidance 2 " in command and shown["guidance"] == 2
