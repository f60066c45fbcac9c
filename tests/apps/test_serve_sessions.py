"""The sessions behind the page of `colorjax serve`, without a server."""

import io
import os
import threading
import zipfile

import gradio as gr
import jax.numpy as jnp
import noisy
import numpy as np
import pytest
from colorizers import random_colorizer
from helpers import encode, scene
from serving import picture

from colorjax import cli, images
from colorjax.apps.serve import sessions as module
from colorjax.apps.serve import uploads
from colorjax.apps.serve.guides import scaled
from colorjax.apps.serve.hinting import HintEvents
from colorjax.apps.serve.sessions import Sessions
from colorjax.apps.serve.settings import Settings
from colorjax.apps.serve.uploads import unpack
from colorjax.apps.serve.views import Views
from colorjax.errors import UserError
from colorjax.hints import Guide, Point, load
from colorjax.inference.colorizer import Colorizer
from colorjax.method import HINTS, Method, Prediction
from colorjax.quantize import Q

MAX_PIXELS = 1_000_000
BOLD = dict(temperature=0.2, saturation=1.2, seed=3)
PLAIN = Settings("x")


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


def add(sessions, page, data, name="a.png"):
    """Drop a picture on a page: the session, the picture, and its prediction."""
    session = sessions.enter(page)
    sessions.add(session, name, data, PLAIN)
    return session, session.chosen, sessions.predict(session, session.chosen, PLAIN)


def variations(prediction, settings):
    """The places of five samples, a prediction, and the settings of each."""
    seeds = enumerate([None, 5, 6, 7, 8])
    return [(place, prediction, settings._replace(seed=seed)) for place, seed in seeds]


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
    arguments = ["colorize", str(tmp_path / name), "--run", "x", "--out", out]
    assert cli.main([*arguments, *flags]) == 0
    _, photo, prediction = add(sessions, "me", data, name)
    suffix = f".{name.split('.')[1]}"
    saved = photo.write_full(prediction, Settings("x", **options), suffix, MAX_PIXELS)
    assert saved.name == f"a-colorized{suffix}"
    assert saved.read_bytes() == (tmp_path / "out" / name).read_bytes()


def guide(size):
    """Two points and a stroke on a picture of this (height, width)."""
    strokes = np.zeros((*size, 4), np.uint8)
    strokes[size[0] // 2 :, : size[1] // 3] = 40, 90, 200, 255
    points = [Point(0.75, 0.25, "#aa5533", 0.1), Point(0.9, 0.8, "neutral")]
    return Guide(points, strokes)


@pytest.mark.parametrize("size", [(60, 80), (500, 1500)], ids=["small", "large"])
def test_a_download_with_hints_is_what_the_command_writes(
    sessions, colorizers, tmp_path, monkeypatch, size
):
    """The strokes have the size of the preview; the file of hints has the picture's."""
    data = encode(images.resize(scene(1, 200), size))
    session, photo, prediction = add(sessions, "me", data)
    preview = photo.preview.shape[:2]
    photo.settings = PLAIN._replace(hints=guide(preview), saturation=0.8)
    saved = photo.write_full(prediction, photo.settings, ".png", MAX_PIXELS)
    hints = photo.write_hints(prediction)
    assert hints.name == "a.png.hints.json"
    monkeypatch.setattr(Colorizer, "load", lambda *_: colorizers["x"])
    (tmp_path / "a.png").write_bytes(data)
    command = f"colorize {tmp_path}/a.png --run x --hints {hints} --saturation 0.8"
    assert cli.main([*command.split(), "--out", str(tmp_path / "out.png")]) == 0
    assert saved.read_bytes() == (tmp_path / "out.png").read_bytes()
    kept = tmp_path / "out.png.hints.json"
    assert kept.read_bytes() == hints.read_bytes()
    again = scaled(load(hints), preview)
    np.testing.assert_array_equal(again.strokes, guide(preview).strokes)
    with zipfile.ZipFile(sessions.write_zip(session, None)) as archive:
        assert archive.namelist() == ["a-colorized.png", hints.name]
        assert archive.read(hints.name) == hints.read_bytes()


def test_a_thin_stroke_stays_when_it_is_reduced():
    strokes = np.zeros((100, 100, 4), np.uint8)
    strokes[37] = 40, 90, 200, 255
    reduced = scaled(Guide([], strokes), (10, 10))
    assert reduced.opaque().sum() == 10 and reduced.opaque()[3].all()


def test_hints_show_in_the_preview_and_in_the_map_of_uncertainty(sessions):
    _, photo, prediction = add(sessions, "me", picture(1))
    hinted = PLAIN._replace(hints=guide((60, 80)))
    for comparison, same in [("uncertainty", False), ("grey", True)]:
        pairs = [
            [path.read_bytes() for path in photo.write_pair(prediction, comparison, x)]
            for x in (PLAIN, hinted, PLAIN)
        ]
        assert pairs[0] == pairs[2] and pairs[0][1] != pairs[1][1]
        assert (pairs[0][0] == pairs[1][0]) == same


def test_a_preview_is_the_result_or_a_reduced_one(sessions, colorizers):
    colorizer, settings = colorizers["x"], Settings("x", **BOLD)
    small = scene(1, 60)
    _, photo, prediction = add(sessions, "me", encode(small))
    np.testing.assert_array_equal(
        photo.colorize_preview(prediction, settings),
        colorizer(small, **settings.options(small.shape[:2])),
    )
    large = images.resize(scene(1, 200), (500, 1500))
    _, photo, prediction = add(sessions, "me", encode(large))
    shown = photo.colorize_preview(prediction, settings)
    assert shown.shape == (341, 1024, 3)
    full = colorizer(large, **settings.options(large.shape[:2]))
    expected = images.resize(full, shown.shape[:2])
    assert np.abs(np.int32(shown) - expected).mean() < 1


def test_no_control_runs_the_network(sessions, monkeypatch):
    session, photo, _ = add(sessions, "me", picture(1))
    monkeypatch.setattr(Colorizer, "predict", None)
    for temperature in (0.1, 1.0):
        settings = Settings("x", temperature, 1.0, 5)
        assert sessions.get("me") == (session, photo)
        prediction = sessions.predict(session, photo, settings)
        for comparison in ("grey", "original", "uncertainty"):
            pair = photo.write_pair(prediction, comparison, settings)
            shown = [images.read(path.read_bytes()) for path in pair]
            assert shown[0].shape == shown[1].shape == (60, 80, 3)
        samples = variations(prediction, settings)
        paths = [photo.write_sample(*sample) for sample in samples]
        assert len({path.read_bytes() for path in paths}) == 5
        photo.write_full(prediction, settings, ".png", MAX_PIXELS)


def test_another_run_predicts_once(sessions):
    session, photo, _ = add(sessions, "me", picture(1))
    before = session.nbytes
    prediction = sessions.predict(session, photo, Settings("y"))
    assert set(photo.predictions) == {("x", None, None), ("y", None, None)}
    assert session.nbytes > before
    assert sessions.predict(session, photo, Settings("y")) is prediction
    assert prediction.temperature == 0.9


def test_noise_is_predicted_once_for_each_seed(tmp_path, monkeypatch):
    """Of a run that draws noise, each variation is a prediction of its own."""
    nets = {"G": {"params": {"w": np.float32([1, -0.5])}}}
    colorizer = Colorizer(noisy.build(), nets, [32], "noisy")
    sessions = Sessions({"x": colorizer}, tmp_path, MAX_PIXELS)
    session, photo, guess = add(sessions, "me", picture(1))
    views = Views(sessions, {"x": "runs/noisy"}, {"steps": 2})
    settings = PLAIN._replace(seed=2)
    first, _, variations = views.samples(session, photo, settings, [1, 2])
    made = [item["image"] is not None for item in first["items"]]
    assert made == [True, False, False]  # the page shows each as soon as it is made
    captions = [item["caption"] for item in variations["items"]]
    assert captions == ["first guess", "variation 1", "variation 2"]
    assert variations["selected"] == 2
    assert set(photo.predictions) == {("x", seed, None) for seed in (None, 1, 2)}
    second = sessions.predict(session, photo, settings)
    assert sessions.predict(session, photo, settings) is second is not guess
    _, data = photo.encode_full(second, settings, ".png", MAX_PIXELS)
    expected = colorizer(images.read(photo.data), seed=2)
    np.testing.assert_array_equal(images.read(data), expected)
    _, command = views.shown(session, photo, "grey")
    assert "--set method.steps=2" in command
    monkeypatch.setattr("colorjax.apps.serve.pictures.MAX_PREDICTIONS", 3)
    sessions.predict(session, photo, PLAIN._replace(seed=3))
    assert set(photo.predictions) == {("x", seed, None) for seed in (1, 2, 3)}


def test_a_network_that_takes_hints_sees_them(tmp_path):
    """It runs for other hints, and the download is what it predicts with them."""

    def infer(nets, inputs, keys):
        local = inputs["local"]
        ab = local[..., :2] + local[..., 2:].mean() * 20
        return Prediction(ab, jnp.zeros((*local[:, ::4, ::4].shape[:3], Q)))

    method = Method(lambda *_: {}, {}, infer, serves=(), inputs=HINTS | {"lightness"})
    colorizer = Colorizer(method, {}, [32], "hinted")
    sessions = Sessions({"x": colorizer}, tmp_path, MAX_PIXELS)
    session, photo, plain = add(sessions, "me", picture(1))
    for saturation in (1.0, 0.5):
        hints = guide((60, 80))
        photo.settings = settings = PLAIN._replace(hints=hints, saturation=saturation)
        prediction = sessions.predict(session, photo, settings)
        assert prediction is not plain and prediction.ab.std() > 0
        assert sessions.predict(session, photo, settings) is prediction
        expected = colorizer(
            images.read(photo.data), hints=hints, saturation=saturation
        )
        shown = photo.colorize_preview(prediction, settings)
        np.testing.assert_array_equal(shown, expected)
        _, data = photo.encode_full(prediction, settings, ".png", MAX_PIXELS)
        np.testing.assert_array_equal(images.read(data), expected)
    assert len(photo.predictions) == 2  # without hints, and with the last ones


def test_an_exemplar_gives_its_colors_to_places_like_its_own(tmp_path):
    """As in the command, which predicts with the exemplar."""

    def infer(nets, inputs, keys):
        lightness = inputs["lightness"]
        ab = jnp.zeros((*lightness.shape[:3], 2))
        return Prediction(ab, jnp.zeros((*lightness[:, ::4, ::4].shape[:3], Q)))

    def features(nets, lightness):
        angle = 0.03 * lightness[:, ::8, ::8]
        return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    inputs = frozenset({"lightness"})
    method = Method(
        lambda *_: {}, {}, infer, serves=(), inputs=inputs, features=features
    )
    colorizer = Colorizer(method, {}, [32], "x")
    sessions = Sessions({"x": colorizer}, tmp_path, MAX_PIXELS)
    session, photo, plain = add(sessions, "me", picture(1))
    for seed in (2, 3):
        hints = Guide(exemplar=scene(seed, 64))
        settings = PLAIN._replace(hints=hints)
        prediction = sessions.predict(session, photo, settings)
        assert plain.likeness is None and prediction.likeness is not None
        expected = colorizer(images.read(photo.data), hints=hints)
        _, data = photo.encode_full(prediction, settings, ".png", MAX_PIXELS)
        np.testing.assert_array_equal(images.read(data), expected)


def test_a_network_that_takes_exemplars_gets_one(tmp_path):
    """Also without a distribution; a palette is refused in a sentence."""

    def infer(nets, inputs, keys):
        lightness, asked = inputs["lightness"], inputs["globe"][:, None, None, -1:]
        return Prediction(jnp.repeat(0 * lightness + 40 * asked, 2, axis=-1), None)

    inputs = frozenset({"lightness", "globe"})
    method = Method(lambda *_: {}, {}, infer, serves=(), inputs=inputs)
    colorizers = {"x": Colorizer(method, {}, [32], "x")}
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS)
    _, photo, _ = add(sessions, "me", picture(1))
    events = HintEvents(sessions, Views(sessions, {"x": "runs/x"}))
    value = events.views.hints(photo)
    assert value["exemplar"] and not value["advice"]
    guide = Guide(exemplar=scene(2, 64))
    request = gr.Request(session_hash="me")
    before = photo.write_full(*shown(sessions, photo), ".png", MAX_PIXELS).read_bytes()
    events.change_hints(value | {"hints": guide.to_json()}, "grey", request)
    after = photo.write_full(*shown(sessions, photo), ".png", MAX_PIXELS).read_bytes()
    assert after != before
    palette = Guide(palette=["#aa5533"]).to_json()
    with pytest.raises(UserError, match="a palette .* need a model that predicts"):
        events.change_hints(value | {"hints": palette}, "grey", request)


def shown(sessions, photo):
    """The prediction and the settings with which the page shows a picture."""
    prediction = sessions.predict(sessions.enter("me"), photo, photo.settings)
    return prediction, photo.settings


def test_each_page_has_its_own_images(sessions):
    _, ours, prediction = add(sessions, "first", picture(1))
    _, theirs, _ = add(sessions, "second", picture(2))
    assert sessions.get("first")[1] is ours and sessions.get("second")[1] is theirs
    paths = [x.write_pair(prediction, "original", PLAIN)[0] for x in (ours, theirs)]
    assert paths[0].read_bytes() != paths[1].read_bytes()
    sessions.detach("first")
    sessions.sweep(linger=0.0)
    assert not paths[0].exists() and paths[1].exists()
    with pytest.raises(UserError, match="no longer holds your picture; drop it again"):
        sessions.get("first")


def test_a_reload_keeps_the_session_of_the_tab(sessions):
    """The new page may come before or after the end of the old one."""
    sessions.attach("page 1", "tab")
    _, photo, _ = add(sessions, "page 1", picture(1))
    sessions.detach("page 1")
    sessions.attach("page 2", "tab")
    sessions.sweep(linger=0.0)
    assert sessions.get("page 2")[1] is photo
    sessions.attach("page 3", "tab")
    sessions.detach("page 2")
    sessions.sweep(linger=0.0)
    assert sessions.get("page 3")[1] is photo
    sessions.detach("page 3")
    sessions.sweep(linger=60.0)
    assert sessions.get("tab")[1] is photo
    sessions.sweep(linger=0.0)
    with pytest.raises(UserError, match="no longer holds"):
        sessions.get("tab")


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
    session, photo, _ = add(sessions, "me", picture(1))
    with pytest.raises(UserError, match=message):
        sessions.add(session, "a.png", data, PLAIN)
    assert sessions.get("me") == (session, photo) and session.pictures == (photo,)


def test_the_least_recently_used_session_is_dropped(colorizers, tmp_path):
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS)
    one = add(sessions, "0", picture(0))[0].nbytes
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS, max_bytes=round(3.5 * one))
    files = {}
    for key in "0123":
        if key == "3":
            sessions.get("0")
        _, photo, prediction = add(sessions, key, picture(0))
        files[key] = photo.write_pair(prediction, "grey", PLAIN)[1]
    with pytest.raises(UserError):
        sessions.get("1")
    for key, path in files.items():
        assert path.exists() == (key != "1")


def test_the_memory_of_a_session_is_bounded(colorizers, tmp_path, monkeypatch):
    """Predictions of other pictures go first; then new pictures are refused."""
    sessions = Sessions(colorizers, tmp_path, MAX_PIXELS)
    session, photo, _ = add(sessions, "me", picture(0))
    whole = session.nbytes
    photo.predictions.clear()
    bare = session.nbytes
    limit = whole + bare
    sessions = Sessions(
        colorizers, tmp_path, MAX_PIXELS, max_session_bytes=limit + 9000
    )
    session, first, _ = add(sessions, "me", picture(0))
    _, second, _ = add(sessions, "me", picture(0))
    assert not first.predictions and second.predictions
    with pytest.raises(UserError, match="^b.png: the pictures of this page would need"):
        add(sessions, "me", picture(0), "b.png")
    assert session.pictures == (first, second)
    monkeypatch.setattr(module, "MAX_PICTURES", 2)
    with pytest.raises(UserError, match="^b.png: the page holds 2 pictures"):
        add(sessions, "me", picture(0), "b.png")


def test_a_picture_is_removed(sessions):
    session = add(sessions, "me", picture(1))[0]
    for seed in (2, 3):
        _, photo, prediction = add(sessions, "me", picture(seed))
    first, second, third = session.pictures
    file = photo.write_pair(prediction, "grey", PLAIN)[0]
    session.remove(third)
    assert session.chosen is second and not file.exists()
    session.remove(first)
    assert session.chosen is second
    session.remove(second)
    with pytest.raises(UserError, match="no longer holds"):
        sessions.get("me")


def test_a_zip_of_all_results(sessions):
    """Each picture has its own settings and format; equal names get numbers."""
    session, photo, prediction = add(sessions, "me", picture(1))
    photo.settings = Settings("x", **BOLD)
    expected = photo.write_full(prediction, photo.settings, ".png", MAX_PIXELS)
    add(sessions, "me", picture(2))
    add(sessions, "me", deep(1), "b.tif")
    first = sessions.write_zip(session, None)
    with zipfile.ZipFile(first) as archive:
        names = ["a-colorized.png", "a-colorized-2.png", "b-colorized.tif"]
        assert archive.namelist() == names
        assert archive.read(names[0]) == expected.read_bytes()
        assert {entry.date_time[0] for entry in archive.infolist()} == {
            1980
        }  # no clock
    with zipfile.ZipFile(sessions.write_zip(session, ".png")) as archive:
        assert archive.namelist()[2] == "b-colorized.png"
    assert not first.exists()


def test_the_number_of_files_of_a_picture_is_bounded(sessions):
    _, photo, prediction = add(sessions, "me", picture(1))
    counts = []
    for temperature in np.linspace(0.1, 1, 8):
        settings = Settings("x", float(temperature), 1.0, 0)
        shown = [
            *photo.write_pair(prediction, "grey", settings),
            *(photo.write_sample(*each) for each in variations(prediction, settings)),
            photo.write_full(prediction, settings, ".png", MAX_PIXELS),
        ]
        assert all(path.exists() for path in shown)
        counts.append(sum(path.is_file() for path in photo.folder.rglob("*")))
    assert counts[-1] == counts[3] == 1 + 3 * 7


def test_a_page_closed_while_the_network_runs_leaves_nothing(sessions, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(self, *args, **kwargs):
        started.set()
        assert go_on.wait(30)
        return predict(self, *args, **kwargs)

    predict = Colorizer.predict
    monkeypatch.setattr(Colorizer, "predict", slow)
    opening = threading.Thread(target=add, args=[sessions, "me", picture(1)])
    opening.start()
    assert started.wait(30)
    sessions.detach("me")
    sessions.sweep(linger=0.0)
    go_on.set()
    opening.join(30)
    with pytest.raises(UserError):
        sessions.get("me")
    assert not list(sessions.folder.iterdir())


def test_sweep_deletes_old_files_of_no_session(sessions):
    session, photo, prediction = add(sessions, "me", picture(1))
    live = photo.write_pair(prediction, "grey", PLAIN)
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


# ---- Zip files.


def zipped(names, data=b"data", kind=zipfile.ZIP_DEFLATED):
    """A zip file with files of equal content."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", kind) as archive:
        for name in names:
            archive.writestr(name, data)
    return target.getvalue()


def unpacked(tmp_path, data, max_bytes=1 << 20):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    return list(unpack(path, max_bytes))


def test_a_zip_file_is_unpacked(tmp_path):
    names = ["x/a.jpg", "../b.png", "x/", "x/.DS_Store", "__MACOSX/x/._a.jpg"]
    assert unpacked(tmp_path, zipped(names)) == [("a.jpg", b"data"), ("b.png", b"data")]


def damaged():
    data = bytearray(zipped(["a.png"], bytes(range(256)), zipfile.ZIP_STORED))
    data[60] ^= 255
    return bytes(data)


def locked():
    """A zip file whose file is marked as encrypted."""
    data = bytearray(zipped(["a.png"]))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + place] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(["a.png"], bytes(2 << 20)), "a.png in a.zip: larger than 1 MB"),
        (zipped(map(str, range(101))), "a.zip: holds 101 files; a zip file may have 1"),
        (zipped([]), "a.zip: holds 0 files"),
        (zipped(["a.png"])[:-30], "a.zip: not a readable zip file"),
        (damaged(), "a.png in a.zip: not readable .Bad CRC"),
        (locked(), "a.png in a.zip: not readable .*password"),
        (zipped(["a.png"], kind=zipfile.ZIP_LZMA), "a.png in a.zip: use deflate"),
        (zipped([f"{i:0250}" for i in range(4000)]), "its list of files is too long"),
    ],
    ids=["large", "many", "none", "cut", "damaged", "locked", "lzma", "list"],
)
def test_hostile_zip_files_are_refused(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        unpacked(tmp_path, data)


def test_a_false_size_in_a_zip_file_is_not_believed(tmp_path):
    """The file has 2 MB, and its header says 9 bytes."""
    data = bytearray(zipped(["a.png"], bytes(2 << 20)))
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.index(signature) + place
        data[at : at + 4] = (9).to_bytes(4, "little")
    with pytest.raises(UserError, match="a.png in a.zip: not readable"):
        unpacked(tmp_path, bytes(data))


def test_an_upload_that_is_gone(tmp_path):
    with pytest.raises(UserError, match="^a.zip did not arrive whole; drop it again$"):
        list(unpack(tmp_path / "a.zip", uploads.MAX_LIST))
