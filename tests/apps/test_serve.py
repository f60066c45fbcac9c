"""`colorjax serve`: the sessions behind the page, and the page over HTTP."""

import os
import shutil
import signal
import socket
import threading
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from colorizers import random_colorizer, write_run
from helpers import encode, environment, python, scene
from skimage.color import rgb2lab

from benchmarks.serve import RefusedError, Visitor, load
from benchmarks.serve import served as benchmark
from colorjax import cli, images
from colorjax.apps.serve import command
from colorjax.apps.serve.sessions import Sessions, Settings
from colorjax.errors import UserError
from colorjax.inference.colorizer import Colorizer

MAX_PIXELS = 1_000_000
BOLD = dict(temperature=0.2, saturation=1.2, seed=3)


@pytest.fixture(scope="module")
def colorizers():
    return {
        "x": random_colorizer("zhang2016", temperature=0.5),
        "y": random_colorizer("zhang2016", temperature=0.9),
    }


@pytest.fixture
def sessions(colorizers, tmp_path):
    (tmp_path / "files").mkdir()
    return Sessions(colorizers, tmp_path / "files", MAX_PIXELS)


def picture(seed, side=60):
    """A drawn image of `side` x 4/3 `side` pixels, as a PNG."""
    return encode(np.hstack([scene(seed, side), scene(seed + 1, side)[:, : side // 3]]))


def lightness(rgb):
    top = np.iinfo(rgb.dtype).max
    return rgb2lab(rgb / top)[..., 0]


def deep(seed):
    """A random image of 16 bits with alpha, as a TIFF."""
    levels = np.random.default_rng(seed).integers(0, 65536, (40, 50, 4), np.uint16)
    return images.encode(levels, "TIFF")


@pytest.mark.parametrize("options", [{}, BOLD], ids=["plain", "bold"])
@pytest.mark.parametrize(("name", "data"), [("a.png", picture(1)), ("a.tif", deep(1))])
def test_a_download_is_what_the_command_writes(
    sessions, colorizers, tmp_path, monkeypatch, name, data, options
):
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(Colorizer, "load", lambda *_: colorizers["x"])
    flags = [f"--{key}={value}" for key, value in options.items()]
    out = str(tmp_path / "out")
    given = ["colorize", str(tmp_path / name), "--run", "x", "--out", out]
    assert cli.main([*given, *flags]) == 0
    session = sessions.open("me", data, name, "x")
    saved = session.write_full(
        Settings("x", **options), f".{name.split('.')[1]}", MAX_PIXELS
    )
    assert saved.name == f"a-colorized.{name.split('.')[1]}"
    assert saved.read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_a_preview_is_the_result_or_a_reduced_one(sessions, colorizers):
    colorizer, settings = colorizers["x"], Settings("x", **BOLD)
    small = scene(1, 60)
    session = sessions.open("me", encode(small), "a.png", "x")
    np.testing.assert_array_equal(
        session.colorize_preview(settings), colorizer(small, **settings.options)
    )
    large = images.resize(scene(1, 200), (500, 1500))
    session = sessions.open("me", encode(large), "a.png", "x")
    shown = session.colorize_preview(settings)
    assert shown.shape == (341, 1024, 3)
    expected = images.resize(colorizer(large, **settings.options), shown.shape[:2])
    assert np.abs(np.int32(shown) - expected).mean() < 1


def test_no_control_runs_the_network(sessions, monkeypatch):
    session = sessions.open("me", picture(1), "a.png", "x")
    monkeypatch.setattr(Colorizer, "predict", None)
    for temperature in (0.1, 1.0):
        settings = Settings("x", temperature, 1.0, 5)
        assert sessions.get("me", "x") is session
        for comparison in ("grey", "original", "uncertainty"):
            pair = session.write_pair(comparison, settings)
            shown = [images.read(path.read_bytes()) for path in pair]
            assert shown[0].shape == shown[1].shape == (60, 80, 3)
        thumbnails = [path.read_bytes() for path in session.write_samples(settings, 5)]
        assert len(set(thumbnails)) == 5
        session.write_full(settings, ".png", MAX_PIXELS)


def test_another_run_predicts_once(sessions, colorizers):
    opened = sessions.open("me", picture(1), "a.png", "x")
    before = opened.nbytes
    session = sessions.get("me", "y")
    assert session is opened and set(session.predictions) == {"x", "y"}
    assert session.nbytes > before
    prediction = session.predictions["y"]
    assert sessions.get("me", "y").predictions["y"] is prediction
    assert prediction.temperature == 0.9


def test_each_page_has_its_own_image(sessions):
    first = sessions.open("first", picture(1), "a.png", "x")
    second = sessions.open("second", picture(2), "a.png", "x")
    assert sessions.get("first", "x") is first
    assert sessions.get("second", "x") is second
    ours, theirs = (s.write_pair("original", Settings("x"))[0] for s in (first, second))
    assert ours.parent.parent != theirs.parent.parent
    assert ours.read_bytes() != theirs.read_bytes()
    sessions.close("first")
    assert not ours.exists() and theirs.exists()
    with pytest.raises(UserError, match="no longer holds your picture; drop it again"):
        sessions.get("first", "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Dear diary", "a.png: not a picture of a known format"),
        (b"", "a.png: the file is empty"),
        (picture(1)[:-900], "a.png: not a readable picture"),
        (encode(np.zeros((1001, 1000), np.uint8)), "a.png: 1000x1001 pixels are more"),
    ],
    ids=["text", "empty", "truncated", "large"],
)
def test_a_refused_upload_leaves_the_session(sessions, data, message):
    before = sessions.open("me", picture(1), "a.png", "x")
    with pytest.raises(UserError, match=message):
        sessions.open("me", data, "a.png", "x")
    assert sessions.get("me", "x") is before


def test_the_least_recently_used_session_is_dropped(colorizers, tmp_path):
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS)
    one = sessions.open("0", picture(0), "a.png", "x").nbytes
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS, max_bytes=round(3.5 * one))
    files = {}
    for key in "0123":
        if key == "3":
            sessions.get("0", "x")
        session = sessions.open(key, picture(0), "a.png", "x")
        files[key] = session.write_pair("grey", Settings("x"))[1]
    with pytest.raises(UserError):
        sessions.get("1", "x")
    for key, path in files.items():
        assert path.exists() == (key != "1")


def test_the_number_of_files_of_a_page_is_bounded(sessions):
    session = sessions.open("me", picture(1), "a.png", "x")
    counts = []
    for temperature in np.linspace(0.1, 1, 8):
        settings = Settings("x", float(temperature), 1.0, 0)
        shown = [
            *session.write_pair("grey", settings),
            *session.write_samples(settings, 5),
        ]
        shown.append(session.write_full(settings, ".png", MAX_PIXELS))
        assert all(path.exists() for path in shown)
        counts.append(sum(path.is_file() for path in session.folder.rglob("*")))
    assert counts[-1] == counts[3] == 1 + 3 * 7


def test_a_page_closed_while_the_network_runs_leaves_nothing(
    sessions, colorizers, monkeypatch
):
    started, go_on = threading.Event(), threading.Event()

    def slow(self, *args, **kwargs):
        started.set()
        assert go_on.wait(30)
        return predict(self, *args, **kwargs)

    predict = Colorizer.predict
    monkeypatch.setattr(Colorizer, "predict", slow)
    opening = threading.Thread(
        target=sessions.open, args=["me", picture(1), "a.png", "x"]
    )
    opening.start()
    assert started.wait(30)
    sessions.close("me")
    go_on.set()
    opening.join(30)
    with pytest.raises(UserError):
        sessions.get("me", "x")
    assert not list(sessions.folder.iterdir())


def test_sweep_deletes_old_files_of_no_session(sessions):
    session = sessions.open("me", picture(1), "a.png", "x")
    live = session.write_pair("grey", Settings("x"))
    upload, part, fresh = (sessions.folder / name for name in ("a", "b", "c"))
    upload.mkdir()
    (upload / "a.png").write_bytes(b"")
    part.write_bytes(b"half")
    fresh.write_bytes(b"")
    for path in (upload, part, session.folder):
        os.utime(path, (0, 0))
    sessions.sweep()
    assert not upload.exists() and not part.exists() and fresh.exists()
    assert all(path.exists() for path in live)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of `colorjax serve` with three runs.

    At its end it leaves no file behind, and has logged nothing about clients that left
    in the middle of a request.
    """
    folder = tmp_path_factory.mktemp("served")
    runs = [
        write_run(folder / "x", temperature=0.5),
        write_run(folder / "y", temperature=0.9),
        write_run(folder / "z", "regression"),
    ]
    arguments = [f"--run={run}" for run in runs]
    arguments += ["--max-pixels=1e6", "--max-upload=2"]
    (folder / "tmp").mkdir()
    env = environment(PYTHONWARNINGS="", TMPDIR=str(folder / "tmp"))
    with (
        (folder / "log").open("w") as log,
        benchmark(*arguments, env=env, stderr=log) as (process, address),
    ):
        yield address
    assert process.returncode == 0
    assert not list((folder / "tmp").iterdir())
    log = (folder / "log").read_text()
    assert "ASGI" not in log and "Disconnect" not in log, log


@pytest.fixture
def visitor(served):
    visitor = Visitor(served)
    yield visitor
    visitor.close()


def test_a_visit(visitor):
    source = picture(4)
    opened = visitor.open(source, "my house.png")
    assert ["original", "original"] in opened[3]["choices"]
    (grey, colored), command = visitor.show(0.5)
    assert command.startswith("colorjax colorize 'my house.png' --run /")
    assert command.endswith("/x --out colorized/")
    first = visitor.fetch(colored)
    (_, colored), command = visitor.show(0.2, 1.5)
    assert "--temperature 0.2 --saturation 1.5 --out" in command
    assert visitor.fetch(colored) != first
    spread = np.ptp(images.read(visitor.fetch(grey)).astype(int), axis=2)
    assert spread.mean() < 1  # JPEG's rounding
    result = images.read(visitor.save(".png", 0.2, 1.5))
    error = np.abs(lightness(result) - lightness(images.read(source)))
    assert np.percentile(error, 99) < 0.5


def test_a_sample_is_picked(visitor):
    *_, gallery = visitor.open(picture(4), "a.png")
    names = [one["caption"] for one in gallery["value"]]
    assert names == ["mean", "seed 0", "seed 1", "seed 2", "seed 3"]
    plain = visitor.save(".png", 0.5)
    (_, colored), command = visitor.pick(3, 0.5)
    assert "--seed 2 " in command
    assert visitor.fetch(colored) == visitor.fetch(gallery["value"][3]["image"])
    assert visitor.save(".png", 0.5) != plain
    visitor.pick(0, 0.5)
    assert visitor.save(".png", 0.5) == plain


def test_a_method_without_a_distribution(visitor):
    visitor.run = "z"
    _, _, _, comparison, temperature, others, *_ = visitor.open(picture(4), "a.png")
    assert [name for name, _ in comparison["choices"]] == ["grey", "original"]
    assert not temperature["visible"] and not others["visible"]
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
            visitor.call("open", {"path": path, "meta": meta}, "x", 1)
    with pytest.raises(httpx.HTTPStatusError):
        visitor.fetch({"path": str(tmp_path / "secret.png")})


def test_a_closed_page_is_forgotten(served, visitor):
    pages = [Visitor(served), visitor]
    files = [Path(page.open(picture(1), "a.png")[7][0]["path"]) for page in pages]
    assert all(file.exists() for file in files)
    pages[0].close()
    wait(lambda: not files[0].parent.parent.exists())
    assert files[1].exists()
    visitor.key = pages[0].key
    with pytest.raises(RefusedError, match="no longer holds"):
        visitor.show(0.5)


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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
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


@pytest.mark.slow
def test_in_chromium(served, tmp_path):
    """Drop an image, move a slider, pick a sample, download the result, on a wide and a
    narrow page. The page fetches nothing from other hosts."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    playwright = pytest.importorskip("playwright.sync_api")
    if browser is None:
        pytest.skip("no Chromium here")
    source = tmp_path / "photo.png"
    source.write_bytes(picture(4, 300))
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        for width in (1400, 400):
            page = chromium.new_page(viewport={"width": width, "height": 900})
            asked, failed = set(), []
            page.on("request", lambda x, asked=asked: asked.add(x.url.split("/")[2]))
            page.on("pageerror", lambda x, failed=failed: failed.append(x))
            page.goto(served)
            use(page, source, tmp_path / f"{width}.png")
            assert asked == {served.removeprefix("http://")} and not failed
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            page.close()
        chromium.close()


def use(page, source, target):
    """Use the page as a person does; the download goes to `target`."""
    drop = "#drop input[type=file]"
    (source.parent / "notes.txt").write_text("Dear diary")
    page.set_input_files(drop, source.parent / "notes.txt")
    page.get_by_text("notes.txt: not a picture of a known format").wait_for()
    assert not page.locator("#work").count()
    page.set_input_files(drop, source)
    colored = page.locator("#work .image-container img").last
    colored.wait_for(state="attached")
    command = page.locator("#command textarea")
    before = colored.get_attribute("src")
    sample = page.locator("#gallery img").nth(2)
    drawn = sample.get_attribute("src")

    slider = page.locator("input[type=range]").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.23 * box["width"], middle)
    page.mouse.down()
    for part in (0.2, 0.15, 0.1):
        page.mouse.move(box["x"] + part * box["width"], middle)
    page.mouse.up()
    wait(lambda: "--temperature" in command.input_value())
    wait(lambda: colored.get_attribute("src") != before)
    wait(lambda: sample.get_attribute("src") != drawn)
    sample.click()
    wait(lambda: "--seed 1" in command.input_value())
    other = page.locator("#work .image-container img").first
    for comparison in ("original", "uncertainty", "grey"):
        before = other.get_attribute("src")
        page.locator(f"label:has-text('{comparison}')").click()
        wait(lambda before=before: other.get_attribute("src") != before)
    with page.expect_download() as download:
        page.get_by_text("Download at full size").click()
    assert download.value.suggested_filename == "photo-colorized.png"
    download.value.save_as(target)
    result, original = (
        images.read(target.read_bytes()),
        images.read(source.read_bytes()),
    )
    assert result.shape == original.shape and (result != original).any()
    error = np.abs(lightness(result) - lightness(original))
    assert np.percentile(error, 99) < 0.5


def wait(condition, seconds=20):
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_under_load(tmp_path):
    """With eight clients for a minute, and eight that stall, each client gets its own
    image back, and memory does not grow."""
    run = write_run(tmp_path / "run", temperature=0.5)
    results = load(str(run), clients=8, stalled=8, seconds=60)
    assert set(results["answers"]) == {"right"}, results["answers"]
    assert len(results["answers"]["right"]) >= 24  # three each
    memory = np.array(results["memory"], float)
    third = len(memory) // 3
    assert np.median(memory[-third:]) < 1.1 * np.median(memory[third : 2 * third])
