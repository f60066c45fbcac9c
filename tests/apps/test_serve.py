"""`colorjax serve`: the page over HTTP, and the command."""

import asyncio
import io
import re
import signal
import socket
import zipfile
import zlib

import httpx
import numpy as np
import pytest
from helpers import encode, python
from serving import lightness, picture, serving

from benchmarks.serve import RefusedError, Visitor
from colorjax import cli, images
from colorjax.apps.serve import command
from colorjax.hints import Guide, Point


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture
def visitor(served):
    visitor = Visitor(served)
    yield visitor
    visitor.close()


def test_a_visit(visitor):
    source = picture(4)
    opened = visitor.open(source, "my house.png")
    assert ["original", "original"] in opened["comparison"]["choices"]
    assert not opened["album"]["visible"] and not opened["save_all"]["visible"]
    shown = visitor.show(0.5)
    assert shown["command"].startswith("colorjax colorize 'my house.png' --run /")
    assert shown["command"].endswith("/x --out colorized/")
    first = visitor.fetch(shown["pair"]["colored"])
    shown = visitor.show(0.2, 1.5)
    assert "--temperature 0.2 --saturation 1.5 --out" in shown["command"]
    assert visitor.fetch(shown["pair"]["colored"]) != first
    grey = images.read(visitor.fetch(shown["pair"]["other"]))
    assert np.ptp(grey.astype(int), axis=2).mean() < 1  # JPEG's rounding
    result = images.read(visitor.save(".png", 0.2, 1.5))
    error = np.abs(lightness(result) - lightness(images.read(source)))
    assert np.percentile(error, 99) < 0.5


def test_the_best_guess_is_shown_until_a_variation_is_picked(visitor):
    opened = visitor.open(picture(4), "a.png")
    assert "--seed" not in opened["command"]
    assert opened["gallery"]["selected"] == 0
    names = [item["caption"] for item in opened["gallery"]["items"]]
    assert names == ["best guess", *(f"variation {i}" for i in (1, 2, 3, 4))]
    plain = visitor.save(".png", 0.5)
    picked = visitor.pick(3, 0.5)
    assert "--seed 3 " in picked["command"]
    assert picked["gallery"]["selected"] == 3
    thumbnail = picked["gallery"]["items"][3]["image"]
    assert visitor.fetch(picked["pair"]["colored"]) == visitor.fetch(thumbnail)
    assert visitor.save(".png", 0.5) != plain
    visitor.pick(0, 0.5)
    assert visitor.save(".png", 0.5) == plain


@pytest.mark.parametrize(
    ("seed", "seeds"),
    [(None, [5, 6, 7, 8]), (2, [5, 2, 6, 7]), (9, [5, 6, 7, 8])],
)
def test_other_variations_leave_the_one_that_is_shown(seed, seeds):
    from colorjax.apps.serve.events import other_seeds

    assert other_seeds([1, 2, 3, 4], seed) == seeds


def hints(visitor, opened, guide):
    """Give hints on the page. Returns the pair of images and the command line."""
    value = opened["guide"] | {"hints": guide.to_json()}
    return visitor.call("change_hints", value, "grey")


def test_hints(visitor):
    """They change the picture and its command, survive a move of a slider, and can be
    saved and loaded."""
    opened = visitor.open(picture(4), "my house.png")
    plain = visitor.fetch(opened["pair"]["colored"])
    assert opened["guide"]["hints"] == "" and opened["guide"]["advice"]
    guide = Guide([Point(0.5, 0.5, "#3355cc", 0.2)])
    shown = hints(visitor, opened, guide)
    assert "--hints 'my house.png.hints.json' --out" in shown["command"]
    colored = visitor.fetch(shown["pair"]["colored"])
    assert colored != plain
    assert "--hints" in visitor.show(0.2)["command"]
    saved = visitor.fetch(visitor.call("save_hints")["file"])
    assert saved.decode() == guide.to_json()
    hints(visitor, {"guide": opened["guide"] | {"picture": "another"}}, guide)
    cleared = visitor.call("change_hints", opened["guide"], "grey")
    assert "--hints" not in cleared["command"]
    loaded = visitor.call("load_hints", "grey", event_data={"text": saved.decode()})
    assert loaded["guide"]["loaded"] and loaded["guide"]["hints"] == guide.to_json()
    assert "--hints" in loaded["command"]


def test_text(visitor):
    """Words become things; a thing with a place changes the picture."""
    opened = visitor.open(picture(4), "my house.png")
    plain = visitor.fetch(opened["pair"]["colored"])
    said = {"sentence": "make the house red"}
    answer = visitor.call("understand", event_data=said)[None]
    (house,) = answer["things"]
    assert house["name"] == "house" and house["label"] == "red"
    text = [house | {"place": [0.3, 0.4, 0.7, 0.9]}]
    shown = visitor.call("change_hints", opened["guide"] | {"text": text}, "grey")
    assert shown[None]["regions"]["house"]["sure"]
    assert "--hints 'my house.png.hints.json' --out" in shown["command"]
    assert visitor.fetch(shown["pair"]["colored"]) != plain
    switched = visitor.call("switch", "grey", "z")
    assert switched["guide"]["text"] == text and "--hints" in switched["command"]
    with pytest.raises(RefusedError, match="name the thing"):
        visitor.call("understand", event_data={"sentence": "make it red"})
    with pytest.raises(RefusedError, match="no text that can be read"):
        visitor.call("change_hints", opened["guide"] | {"text": [{}]}, "grey")


def test_each_picture_has_its_own_hints(visitor):
    opened = visitor.open(picture(1), "a.png")
    guide = Guide([Point(0.5, 0.5, "#3355cc")])
    hints(visitor, opened, guide)
    assert "--hints" not in visitor.open(picture(2), "b.png")["command"]
    late = hints(visitor, opened, guide)  # the page shows the second picture by now
    assert late["command"] == {"__type__": "update"}  # unchanged
    assert "--hints" not in visitor.show(0.5)["command"]
    first = visitor.call("choose", "grey", event_data={"index": 0, "value": None})
    assert first["guide"]["hints"] == guide.to_json()
    assert "--hints" in first["command"]


def test_the_page_offers_colors_and_places(visitor):
    visitor.open(picture(4), "a.png")
    answer = visitor.call("suggest", event_data={"x": 0.5, "y": 1})[None]
    assert 0 <= answer["lightness"] <= 100 and len(answer["colors"]) == 5
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in answer["colors"])
    places = visitor.call("advise")[None]["advice"]
    assert len(places) == 3 and all(0 <= x <= 1 for place in places for x in place)


def test_a_method_without_a_distribution_takes_hints(visitor):
    visitor.run = "z"
    opened = visitor.open(picture(4), "a.png")
    assert not opened["guide"]["advice"]
    shown = hints(visitor, opened, Guide([Point(0.5, 0.0, "#ff0000")]))
    assert "--hints" in shown["command"]
    answer = visitor.call("suggest", event_data={"x": 0, "y": 0})[None]
    assert len(answer["colors"]) == 1


def test_the_colors_of_another_picture(visitor):
    """They change the picture; a method without a distribution drops them."""
    opened = visitor.open(picture(4), "a.png")
    plain = visitor.fetch(opened["pair"]["colored"])
    red = np.full((8, 8, 3), (200, 30, 30), np.uint8)
    guide = Guide([Point(0.1, 0.1, "#3355cc")], palette=["#cc4433"], exemplar=red)
    shown = hints(visitor, opened, guide)
    assert visitor.fetch(shown["pair"]["colored"]) != plain
    switched = visitor.call("switch", "grey", "z")
    assert switched["guide"]["loaded"]
    assert switched["guide"]["hints"] == Guide(guide.points).to_json()
    with pytest.raises(RefusedError, match="need a model that predicts a distribution"):
        hints(visitor, opened, guide)
    assert "--hints" in visitor.call("show", "grey", "z", 1, 1, None)["command"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        (
            '{"points": [{"x": 2, "y": 0, "color": "#112233"}]}',
            "outside of the picture",
        ),
        ('{"points": []}', "there are no hints"),
        (Guide(strokes=np.full((5, 5, 4), 255, np.uint8)).to_json(), "the same size"),
        (
            Guide([Point(i / 1001, 0.5, "#112233") for i in range(1001)]).to_json(),
            "more than 1000 hints",
        ),
        (Guide(palette=["#112233"] * 1001).to_json(), "more than 1000 hints"),
    ],
    ids=["text", "outside", "empty", "size", "many", "palette"],
)
def test_wrong_hints_are_a_sentence_and_change_nothing(visitor, text, message):
    opened = visitor.open(picture(4), "a.png")
    value = opened["guide"] | {"hints": text}
    for call in [
        lambda: visitor.call("change_hints", value, "grey"),
        lambda: visitor.call("load_hints", "grey", event_data={"text": text}),
    ]:
        with pytest.raises(RefusedError, match=message):
            call()
    with pytest.raises(RefusedError, match="a.png: there are no hints yet"):
        visitor.call("save_hints")


def test_invented_hints_are_refused(visitor):
    visitor.open(picture(4), "a.png")
    for value in [None, [], {"hints": ""}, "{}"]:
        with pytest.raises(RefusedError, match="no hints that can be read"):
            visitor.call("change_hints", value, "grey")
    for x in [-1, 1.5, "0", None]:
        with pytest.raises(RefusedError, match="outside of the picture"):
            visitor.call("suggest", event_data={"x": x, "y": 0})


def test_several_pictures(visitor):
    """Those that are no pictures do not stop the others. One is chosen from all; a
    reload of the tab shows it again with its settings."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("scans/b.png", picture(2, 40))
        file.writestr("scans/notes.txt", b"Dear diary")
    dropped = [(picture(1), "a.png"), (archive.getvalue(), "b.zip"), (b"", "c.png")]
    files = [visitor.upload(*each) for each in dropped]
    tab = "tab of the browser"
    visitor.call("restore", tab)
    opened = visitor.call("open", files, "x", 1)
    items = opened["album"]["value"]["items"]
    assert [item["caption"] for item in items] == ["a.png", "b.png"]
    assert opened["album"]["visible"] and opened["save_all"]["visible"]
    assert opened["pair"]["name"] == "a.png"
    visitor.show(0.2)
    chosen = visitor.call("choose", "original", event_data={"index": 1, "value": None})
    assert chosen["pair"]["name"] == "b.png" and chosen["temperature"]["value"] == 0.5
    with zipfile.ZipFile(
        io.BytesIO(visitor.fetch(visitor.call("save_all", ".png")["file"]))
    ) as results:
        assert results.namelist() == ["a-colorized.png", "b-colorized.png"]
    visitor.call("choose", "grey", event_data={"index": 0, "value": None})
    again = Visitor(str(visitor.http.base_url))
    restored = again.call("restore", tab)
    assert restored["pair"]["name"] == "a.png"
    assert restored["temperature"]["value"] == 0.2
    assert again.call("remove", "grey")["pair"]["name"] == "b.png"
    assert not again.call("remove", "grey")["work"]["visible"]
    again.close()


@pytest.mark.parametrize("index", [2, -1, "0", [0, 0], None])
def test_a_false_index_is_a_sentence(visitor, index):
    visitor.open(picture(1), "a.png")
    for event, values in [("choose", ["grey"]), ("example", ["x", 1])]:
        with pytest.raises(RefusedError, match="no longer on the page; reload it"):
            visitor.call(event, *values, event_data={"index": index, "value": None})


def test_an_example(visitor):
    opened = visitor.call("example", "x", 1, event_data={"index": 0, "value": None})
    assert opened["pair"]["name"] == "rocket.jpg"


def test_a_method_without_a_distribution(visitor):
    visitor.run = "z"
    opened = visitor.open(picture(4), "a.png")
    choices = [name for name, _ in opened["comparison"]["choices"]]
    assert choices == ["grey", "original"]
    assert not opened["temperature"]["visible"]
    assert not opened["variations"]["visible"]
    assert len(visitor.save(".png", 1.0)) > 1000


def test_visitors_get_their_own(served):
    visitors = [Visitor(served) for _ in range(4)]
    sources = [picture(i, 40 + i) for i in range(4)]
    for visitor, source in zip(visitors, sources, strict=True):
        visitor.open(source, "a.png")
    for visitor, source in zip(visitors, sources, strict=True):
        result = images.read(visitor.save(".png", 0.2))
        assert np.abs(lightness(result) - lightness(images.read(source))).mean() < 0.2
        visitor.close()


def bomb():
    """A PNG of 300 million pixels in a few bytes."""
    small = bytearray(encode(np.zeros((1, 1, 3), np.uint8)))
    small[16:24] = (20_000).to_bytes(4, "big") + (15_000).to_bytes(4, "big")
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"Dear diary", "notes.txt", "^notes.txt: not a picture of a known format$"),
        (b"Dear", "a&b.png", "^a&amp;b.png: not a picture of a known format$"),
        (picture(1)[:-900], "a.png", "^a.png: not a readable picture"),
        (bomb(), "a.png", "^a.png: 20000x15000 pixels are more than the 1 million"),
        (bytes(2 * 2**20 + 1), "a.png", "^File size exceeded maximum allowed size"),
    ],
    ids=["text", "markup", "truncated", "bomb", "bytes"],
)
def test_a_mistake_is_a_sentence_and_the_server_lives(visitor, data, name, message):
    with pytest.raises(RefusedError, match=message):
        visitor.open(data, name)
    visitor.open(picture(1), "b.png")
    visitor.key = "somebody else"
    with pytest.raises(
        RefusedError, match="no longer holds your picture; drop it again"
    ):
        visitor.show(0.5)


def test_a_defect_is_a_sentence_too():
    from colorjax.apps.serve.events import reports_errors

    def fails():
        raise MemoryError("no room")

    with pytest.raises(Exception, match="^'This did not work. The terminal") as raised:
        reports_errors(fails)()
    assert raised.value.print_exception and "no room" in str(raised.value.__cause__)


def test_only_what_was_uploaded_is_read(visitor, tmp_path):
    """A client can read neither a file of the machine nor an address."""
    (tmp_path / "secret.png").write_bytes(picture(1))
    meta = {"_type": "gradio.FileData"}
    mine = str(visitor.http.base_url) + "/gradio_api/app_id"
    for path, message in [
        (str(tmp_path / "secret.png"), "None"),  # the terminal has the reason
        ("/etc/hostname", "None"),
        (mine, "only uploads are accepted"),
    ]:
        with pytest.raises(RefusedError, match=message):
            visitor.call("open", [{"path": path, "meta": meta}], "x", 1)
    with pytest.raises(httpx.HTTPStatusError):
        visitor.fetch({"path": str(tmp_path / "secret.png")})


def test_the_errors_of_a_closed_page_are_not_logged():
    """The middleware drops an error only if the client has left."""
    from colorjax.apps.serve.server import IgnoreClosedPages

    async def app(scope, receive, send):
        await receive()
        raise KeyError("the page")

    def answer(message):
        async def receive():
            return {"type": message}

        asyncio.run(IgnoreClosedPages(app)({}, receive, None))

    answer("http.disconnect")
    with pytest.raises(KeyError):
        answer("http.request")


def test_unfinished_uploads_block_nobody(served, visitor):
    host, _, port = served.removeprefix("http://").partition(":")
    halves = []
    for _ in range(50):
        half = socket.create_connection((host, int(port)))
        half.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        )
        halves.append(half)
    visitor.open(picture(1), "a.png")
    assert len(visitor.save(".png", 0.2)) > 1000
    for half in halves:
        half.close()


ARGUMENTS = ["serve", "--run", "x"]


def test_without_the_extra_a_line_says_what_to_install():
    code = (
        "import sys; sys.modules['gradio'] = None; from colorjax import cli; "
        "sys.exit(cli.main(['serve', '--run', 'x']))"
    )
    result = python("-c", code)
    assert result.code == 2
    assert result.err == (
        'colorjax: serve needs gradio; pip install -e ".[serve]" in the repository of '
        "colorjax installs it\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--port", "70000"], "--port: 70000 is more than 65,535"),
        (
            ["--root-path", "colorjax"],
            "--root-path: 'colorjax' is no path",
        ),
        (["--root-path", "/a/"], "--root-path: '/a/' is no path of an address"),
        (["--max-pixels", "0"], "--max-pixels: 0 is less than 1"),
        (["--max-upload", "-1"], "--max-upload: -1 is less than 0.001"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1, port 7860"),
        (["--port", "0"], "x: "),
    ],
)
def test_mistakes_of_the_command(flags, message, capfd, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert cli.main([*ARGUMENTS, *flags]) == 2
    err = capfd.readouterr().err
    assert message in err and err.count("\n") == 1


def test_a_port_in_use(capfd):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert cli.main([*ARGUMENTS, "--port", port]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False), ("pc7", False)],
)
def test_a_warning_says_who_can_reach_the_page(capfd, host, alone):
    command._print_address("http://somewhere:7777", host, 7777)
    out, err = capfd.readouterr()
    assert out == "http://somewhere:7777\n"
    assert err.startswith(f"listening on {host}: everyone who reaches") == (not alone)
    assert ("port 7777" in err) == (not alone)
