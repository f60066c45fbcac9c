"""`colorjax colorize`: folders, streams, resuming, samples, saved distributions."""

import io
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import chex
import jax
import numpy as np
import pytest
import tifffile
from colorizers import random_colorizer
from golden.clip_tensors import COARSE, clip_tensors, write_clip
from helpers import ROOT, encode, environment, scene, write_folder
from skimage.color import rgb2lab

from colorjax import cli, images
from colorjax.apps.colorize import pipeline
from colorjax.apps.colorize.jobs import Job, Wanted
from colorjax.hints import Guide, Point
from colorjax.inference.colorizer import Colorizer

JOB = Job(None, None, Path("picture.png"))


@pytest.fixture(scope="module")
def colorizer():
    """One with random weights that sees pictures of 32 pixels."""
    return random_colorizer("zhang2016", temperature=0.5)


@pytest.fixture
def command(colorizer, monkeypatch, capfd):
    """`colorjax ARGS` with that colorizer: exit code, standard output, errors."""

    def call(*arguments):
        monkeypatch.setattr(Colorizer, "load", lambda *_: colorizer)
        code = cli.main(list(map(str, arguments)))
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def folder(tmp_path):
    """Three pictures of three sizes, one in a folder of its own."""
    write_folder(tmp_path / "in/deeper", 1, side=50)
    (tmp_path / "in/wide.jpg").write_bytes(encode(scene(1, 90)[:40], "JPEG"))
    (tmp_path / "in/tall.png").write_bytes(encode(scene(2, 64)[:, :30]))
    return tmp_path / "in"


def files(folder):
    """Paths below a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def load(path):
    """The picture in a file."""
    return images.read(path.read_bytes())


def test_tree_is_kept_and_sizes(folder, command, tmp_path):
    out = tmp_path / "out"
    code, told, _ = command("colorize", folder, "--run", "x", "--out", out)
    assert code == 0 and f"3 of 3 pictures written to {out}" in told
    assert files(out) == files(folder)
    for name in files(folder):
        before, after = (load(place / name) for place in (folder, out))
        assert before.shape == after.shape
        error = np.abs(rgb2lab(before) - rgb2lab(after))[..., 0]
        assert np.percentile(error, 99) < (0.5 if name.endswith("png") else 3)


def test_what_is_done_is_skipped(folder, command, tmp_path):
    out = tmp_path / "out"
    arguments = ["colorize", folder, "--run", "x", "--out", out]
    command(*arguments)
    (out / "tall.png").unlink()
    (out / "wide.jpg").write_bytes(b"mine")
    code, told, _ = command(*arguments)
    assert code == 0 and (out / "wide.jpg").read_bytes() == b"mine"
    assert (
        "1 of 3 pictures written" in told and "2 existed already (--overwrite" in told
    )
    assert (out / "tall.png").exists()
    code, told, _ = command(*arguments, "--overwrite")
    assert "3 of 3" in told and (out / "wide.jpg").read_bytes() != b"mine"
    # The samples are other files than the picture.
    assert "3 of 3" in command(*arguments, "--samples", 2)[1]
    assert "0 of 3" in command(*arguments, "--samples", 2)[1]


def test_results_in_the_folder_itself_are_no_inputs(folder, command):
    arguments = ["colorize", folder, "--run", "x", "--out", folder / "colors"]
    assert "3 of 3" in command(*arguments)[1]
    assert "0 of 3" in command(*arguments)[1]


def test_links_out_of_the_folder_are_not_followed(folder, command, tmp_path):
    write_folder(tmp_path / "outside", 2)
    (folder / "picture.png").symlink_to(tmp_path / "outside/000.png")
    (folder / "others").symlink_to(tmp_path / "outside")
    (folder / "again.png").symlink_to(folder / "tall.png")
    out = tmp_path / "out"
    assert command("colorize", folder, "--run", "x", "--out", out)[0] == 0
    assert files(out) == {"deeper/000.png", "wide.jpg", "tall.png", "again.png"}


@pytest.mark.parametrize("kind", [None, "jpg"])
def test_standard_input_to_standard_output(kind, colorizer, monkeypatch, command):
    written = io.BytesIO()
    stdin = SimpleNamespace(buffer=io.BytesIO(encode(scene(1, 48))))
    monkeypatch.setattr(sys, "stdin", stdin)
    stdout = SimpleNamespace(buffer=written, write=lambda _: 1 / 0, flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", stdout)
    options = ["--format", kind] if kind else []
    code, _, _ = command("colorize", "-", "--run", "x", "--out", "-", *options)
    assert code == 0
    assert written.getvalue().startswith(b"\xff\xd8" if kind else b"\x89PNG")
    difference = images.read(written.getvalue()).astype(int) - colorizer(scene(1, 48))
    assert np.abs(difference).mean() < (4 if kind else 1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "--out", "-"], "--out - takes one picture only"),
        (["in/tall.png", "-", "--out", "-"], "--out - takes one picture only"),
        (["-", "--out", "-", "--samples", "2"], "--out - takes the picture only"),
        (["none.png", "--out", "-"], "none.png: no such file"),
        (["in", "--out", "out", "--from-distribution", "y"], "give either --run"),
    ],
)
def test_mistakes(arguments, message, folder, command, monkeypatch):
    monkeypatch.chdir(folder.parent)
    code, _, err = command("colorize", *arguments, "--run", "x")
    assert code == 2 and message in err and err.count("\n") == 1


def test_batches_of_any_number_compile_a_handful_of_programs(
    command, colorizer, tmp_path, monkeypatch
):
    random = np.random.default_rng(0)
    for i, size in enumerate(random.integers(8, 200, (40, 2))):
        write_folder(tmp_path / "in", 0)
        (tmp_path / f"in/{i}.png").write_bytes(encode(np.zeros(size, np.uint8)))
    counted = chex.assert_max_traces(colorizer._predict.function.__wrapped__, n=9)
    monkeypatch.setattr(colorizer._predict, "function", jax.jit(counted))
    monkeypatch.setattr(pipeline, "MAX_WINDOW", 100_000)  # windows of a few pictures
    out = tmp_path / "out"
    code, told, _ = command(
        "colorize", tmp_path / "in", "--run", "x", "--out", out, "--batch", 3
    )
    assert code == 0 and "40 of 40" in told


def test_windows_hold_so_many_pixels(monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_WINDOW", 1000)
    sizes = [10, 10, 30, 5, 40, 5, 5, 5, 5, 5]
    items = [
        pipeline.Encoded(JOB, encode(np.zeros((size, size), np.uint8)))
        for size in sizes
    ]
    windows = list(pipeline._windows(items, count=4))
    assert [item for window in windows for item in window] == items
    held = [[images.pixel_count(item.data) for item in window] for window in windows]
    assert held == [[100, 100], [900, 25], [1600], [25] * 4, [25]]


def test_distribution_saved_and_decoded_again(folder, command, tmp_path):
    """Without the net: with other colors, in another format, by folder and by file."""
    out, again = tmp_path / "out", tmp_path / "again"
    arguments = ["colorize", folder, "--run", "x", "--out", out]
    command(*arguments, "--save-distribution", "--uncertainty")
    kinds = ("", ".colors.npz", ".uncertainty.png")
    assert files(out) == {name + kind for name in files(folder) for kind in kinds}
    saved = ["--from-distribution", out]
    code, told, _ = command("colorize", folder, *saved, "--out", again)
    assert code == 0 and "3 of 3" in told
    for name in files(folder):
        first, second = (load(place / name) for place in (out, again))
        assert np.abs(np.int32(first) - second).mean() < 2
    samples = ["--samples", 2, "--seed", 7, "--format", "png"]
    command("colorize", folder, *saved, "--out", again / "many", *samples)
    names = {"tall-1.png", "tall-2.png", "wide-1.png", "wide-2.png"}
    assert names <= files(again / "many")
    one = ["colorize", folder / "tall.png", "--from-distribution"]
    command(*one, out / "tall.png.colors.npz", "--out", again / "8.png", "--seed", 8)
    eighth = load(again / "8.png")
    np.testing.assert_array_equal(eighth, load(again / "many/tall-2.png"))
    assert (eighth != load(again / "many/tall-1.png")).any()
    code, _, err = command(
        *one, out / "wide.jpg.colors.npz", "--out", tmp_path / "x.png"
    )
    assert code == 1 and "tall.png: the distribution is of a picture of 90x40" in err
    shutil.move(out / "tall.png.colors.npz", tmp_path / "gone")
    code, told, err = command("colorize", folder, *saved, "--out", tmp_path / "fewer")
    assert code == 1 and "tall.png.colors.npz: no such file" in err
    assert "2 of 3" in told


def test_depth_and_alpha_arrive(command, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), np.uint16)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/deep.tif", deep, photometric="rgb")
    transparent = np.dstack([scene(1, 40), np.full((40, 40), 99, np.uint8)])
    (tmp_path / "in/clear.png").write_bytes(encode(transparent))
    code, _, _ = command(
        "colorize", tmp_path / "in", "--run", "x", "--out", tmp_path / "out"
    )
    assert code == 0
    result = images.read_full((tmp_path / "out/deep.tif").read_bytes())
    assert result.dtype == np.uint16 and result.shape == deep.shape
    error = np.abs(rgb2lab(result / 65535) - rgb2lab(deep / 65535))[..., 0]
    assert np.percentile(error, 99) < 0.01
    result = images.read_full((tmp_path / "out/clear.png").read_bytes())
    assert result.shape == (40, 40, 4) and (result[..., 3] == 99).all()


def test_all_bad_files_are_listed_at_the_end(folder, command, tmp_path):
    (folder / "a.jpg").write_text("Dear diary,")
    (folder / "b.jpg").touch()
    (folder / "c.jpg").write_bytes(encode(scene(1, 64), "JPEG")[:700])
    out = tmp_path / "out"
    code, told, err = command("colorize", folder, "--run", "x", "--out", out)
    assert code == 1 and "3 of 6 pictures written" in told
    names = [line.split(": ")[1] for line in err.splitlines()[-3:]]
    assert names == [str(folder / f"{name}.jpg") for name in "abc"]
    assert len(files(out)) == 3


def test_pixels_are_freed_before_the_last_result_is_written(colorizer):
    """Beside a large result there is no room for its source."""
    pages = images.read_file(encode(scene(1, 40)))
    predicted = pipeline.predict_with(
        [pipeline.Photograph(JOB, pages.pop())], colorizer, batch=1
    )
    freed = weakref.ref(predicted[0].page.picture)
    outputs = pipeline._decode(predicted, Wanted(), None, {})
    del predicted
    assert freed() is not None
    (page,) = next(outputs).content
    assert page.picture.shape == (40, 40, 3)
    assert freed() is None


@pytest.mark.slow
def test_120_megapixels_in_3_gigabytes(tmp_path):
    """The peak memory of a process that reads, recolors and writes one picture."""
    code = f"""
import resource, numpy as np, jax
from colorjax import images
from colorjax.inference import compose, upsample
small = np.random.default_rng(0).integers(0, 255, (75, 100, 3), np.uint8)
guide = upsample.fit(np.full((75, 100), 50, 'f'), np.full((75, 100, 2), 20, 'f'))
picture = images.read_full(open({str(tmp_path / "in.jpg")!r}, 'rb').read())
assert picture.size == 360_000_000
picture = compose.replace_ab_guided(picture, guide)
images.write({str(tmp_path / "out.jpg")!r}, picture)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    large = images.resize(scene(1, 256), (9600, 12500))
    images.write(tmp_path / "in.jpg", large)
    del large
    out = subprocess.check_output(
        [sys.executable, "-c", code], env=environment(), cwd=ROOT, text=True
    )
    assert int(out) * 1024 < 3e9
    assert os.path.getsize(tmp_path / "out.jpg") > 1e5


# ---- What the command says of files, and keeps of them.


def test_files_that_are_left_out_are_listed(folder, command, tmp_path):
    for name in ("a.xcf", "b.XCF", "notes.txt", "README"):
        (folder / name).touch()
    code, _, err = command("colorize", folder, "--run", "x", "--out", tmp_path / "out")
    listed = "left out: 1 .txt, 2 .xcf, 1 without suffix"
    assert code == 0 and f"{folder}: {listed}" in err


def test_pages_and_metadata_arrive(command, tmp_path):
    """Of every sample; twice the same bytes; without metadata where it is unwanted."""
    source = tmp_path / "album.tif"
    with tifffile.TiffWriter(source) as writer:
        for i in range(2):
            options = {"photometric": "rgb", "metadata": None}
            writer.write(scene(i, 40), description="May Day", **options)
    arguments = ["colorize", source, "--run", "x", "--samples", 2, "--out"]
    for out in ("a", "b"):
        assert command(*arguments, tmp_path / out)[0] == 0
    assert command(*arguments, tmp_path / "c", "--no-metadata", "--no-mark")[0] == 0
    for name in ("album-1.tif", "album-2.tif"):
        data = (tmp_path / "a" / name).read_bytes()
        assert data == (tmp_path / "b" / name).read_bytes()
        pages = images.read_file(data)
        assert [page.picture.shape for page in pages] == [(40, 40, 3)] * 2
        assert data.count(b"May Day") == 2 and b"compositeWithTrained" in data
        bare = (tmp_path / "c" / name).read_bytes()
        assert b"May Day" not in bare and b"compositeWith" not in bare
    code, _, err = command(*arguments, tmp_path / "d", "--uncertainty")
    assert code == 1 and f"{source}: 2 pages; " in err


def test_notes_and_levels(command, tmp_path):
    deep = scene(1, 40)[..., 0].astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", deep)
    arguments = [
        "colorize",
        tmp_path / "a.tif",
        "--run",
        "x",
        "--out",
        tmp_path / "out",
    ]
    code, _, err = command(*arguments)
    assert code == 1 and "a.tif: most of its floats are above 1" in err
    code, _, err = command(*arguments, "--levels", "0,255", "--format", "jpg")
    assert code == 0
    assert "32-bit floats become 16-bit integers; its 16 bits become 8 in JPEG" in err


@pytest.mark.parametrize("value", ["x", "1", "3,3", "0,nan", "1,2,3"])
def test_levels_that_are_none(value, command):
    arguments = ["colorize", "a.tif", "--run", "x", "--out", "b"]
    code, _, err = command(*arguments, "--levels", value)
    assert code == 2 and "argument --levels: '" in err


# ---- Hints.


@pytest.fixture
def picture(tmp_path):
    """A picture of 90x60 pixels, grey of one lightness."""
    images.write(tmp_path / "grey.png", np.full((60, 90, 3), 119, np.uint8))
    return tmp_path / "grey.png"


def test_hints_are_met_and_kept_beside_the_result(picture, command, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    marks = "--hint", "20,30=#8c6f5a", "--hint", "75%,50%=neutral,10%"
    code, _, err = command("colorize", picture, "--out", first, *marks)
    assert code == 0, err
    lab = rgb2lab(load(first))
    np.testing.assert_allclose(lab[30, 20, 1:], (8.3, 16.1), atol=1)
    np.testing.assert_allclose(lab[30, 67, 1:], 0, atol=1)
    saved = tmp_path / "first.png.hints.json"
    assert command("colorize", picture, "--out", again, "--hints", saved)[0] == 0
    assert again.read_bytes() == first.read_bytes()
    assert Path(f"{again}.hints.json").read_bytes() == saved.read_bytes()


def test_hints_and_saved_distributions(picture, command, tmp_path):
    mark = "--hint", "20,30=#8c6f5a"
    command("colorize", picture, "--out", tmp_path / "a", "--save-distribution", *mark)
    saved = "--from-distribution", tmp_path / "a", "--out", tmp_path / "b"
    assert command("colorize", picture, *saved, *mark)[0] == 0
    first, second = (load(tmp_path / name / "grey.png") for name in "ab")
    chex.assert_trees_all_close(first, second, atol=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hint", "90,10=#aa5533"], "--hint 90,10=#aa5533 is outside of the picture"),
        (["--hint", "10=#aa5533"], "is no hint like"),
        (["--hint", "1.2.3,1=#aa5533"], "is no hint like"),
        (["--hint", "1,1=red"], "'red' is no color"),
        (["--hint", "1,1=neutral,200%"], "radius"),
        (["--hints", "STROKES"], "strokes.png: the strokes have 4x4 pixels and the"),
        (["--hints", "missing.json"], "No such file"),
        (["--only-here"], "--only-here needs --hint or --hints"),
        (["--exemplar", "missing.jpg"], "missing.jpg: No such file"),
        (
            ["--clip", "missing.pt"],
            "--clip needs --text, --exemplar or --hints with an",
        ),
    ],
)
def test_wrong_hints(arguments, message, picture, command, tmp_path):
    strokes = tmp_path / "strokes.png"
    images.write(strokes, np.full((4, 4, 4), 255, np.uint8))
    arguments = [strokes if x == "STROKES" else x for x in arguments]
    code, _, err = command("colorize", picture, "--out", tmp_path / "x", *arguments)
    assert code and message in err and "Traceback" not in err
    assert not (tmp_path / "x").exists()


def test_hints_are_those_of_one_picture(folder, command, tmp_path):
    mark = "--hint", "1,1=neutral"
    code, _, err = command("colorize", folder, "--out", tmp_path / "x", *mark)
    assert code and "hints are those of one picture, not of 3" in err


def test_a_folder_of_hints(tmp_path, command):
    names = "a.png", "b.png", "c/a.png", "d.png"
    for name in names:
        path = tmp_path / "grey" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        images.write(path, np.full((60, 90, 3), 119, np.uint8))
    folder = tmp_path / "hints"
    (folder / "c").mkdir(parents=True)
    for name, color in (("a.png", "#8c6f5a"), ("c/a", "#5a6f8c"), ("x.jpg", "#8c6f5a")):
        guide = Guide([Point(0.25, 0.5, color)])
        (folder / f"{name}.hints.json").write_text(guide.to_json())
    strokes = np.zeros((60, 90, 4), np.uint8)
    strokes[20:40, 30:60] = 0x8C, 0x6F, 0x5A, 255
    images.write(folder / "b.png", strokes)
    out = tmp_path / "out"
    code, _, err = command(
        "colorize", tmp_path / "grey", "--out", out, "--hints", folder
    )
    assert code == 0, err
    assert f"{folder / 'x.jpg.hints.json'}: not used" in err
    for name, place, ab in (
        ("a.png", (30, 22), (8.3, 16.1)),
        ("b.png", (30, 45), (8.3, 16.1)),
        ("c/a.png", (30, 22), (0.1, -17.6)),
    ):
        np.testing.assert_allclose(rgb2lab(load(out / name))[place][1:], ab, atol=1)
    kept = {str(path.relative_to(out)) for path in out.rglob("*.hints.json")}
    assert kept == {f"{name}.hints.json" for name in names[:3]}


def test_a_folder_of_hints_for_other_pictures(picture, command, tmp_path):
    (tmp_path / "hints").mkdir()
    (tmp_path / "hints" / "x.hints.json").write_text(
        Guide(palette=["#aa5533"]).to_json()
    )
    arguments = "--out", tmp_path / "x", "--hints", tmp_path / "hints"
    code, _, err = command("colorize", picture, *arguments)
    assert code and "hints: no hints for any of the pictures" in err


def test_clip_compares_the_places_of_an_exemplar(
    picture, command, colorizer, monkeypatch, tmp_path
):
    """For a run without an encoder, and for its saved distribution."""
    monkeypatch.setattr(colorizer, "features", None)  # restores it after the test
    images.write(tmp_path / "blue.png", scene(1, 64)[..., ::-1].copy())
    exemplar = "--exemplar", tmp_path / "blue.png"
    clip = *exemplar, "--clip", write_clip(tmp_path, clip_tensors(COARSE))
    saved = "--from-distribution", tmp_path / "a.png.colors.npz"
    results = {}
    for name, arguments in {
        "a": (*exemplar, "--save-distribution"),
        "b": clip,
        "c": (*saved, *exemplar),
        "d": (*saved, *clip),
    }.items():
        out = tmp_path / f"{name}.png"
        code, _, err = command("colorize", picture, "--out", out, *arguments)
        assert code == 0, err
        assert ("are not compared with those of the picture" in err) == (name in "ac")
        assert "without effect" not in err
        results[name] = out.read_bytes()
    assert results["b"] != results["a"] and results["d"] != results["c"]
    (tmp_path / "x.json").write_text(Guide([Point(0.5, 0.5, "#aa5533")]).to_json())
    hints = "--out", tmp_path / "e.png", "--hints", tmp_path / "x.json", *clip[2:]
    code, _, err = command("colorize", picture, *hints)
    assert code == 0 and "--clip: without effect; there is no exemplar" in err


def test_an_exemplar_is_kept_beside_the_result(picture, command, tmp_path):
    images.write(tmp_path / "blue.png", scene(1, 64)[..., ::-1].copy())
    first, again, plain = (tmp_path / f"{name}.png" for name in ("x", "y", "z"))
    exemplar = "--exemplar", tmp_path / "blue.png"
    code, _, err = command("colorize", picture, "--out", first, *exemplar)
    assert code == 0 and "its colors count for the whole picture" in err
    assert command("colorize", picture, "--out", plain)[0] == 0
    assert first.read_bytes() != plain.read_bytes()
    saved = tmp_path / "x.png.hints.json"
    assert command("colorize", picture, "--out", again, "--hints", saved)[0] == 0
    assert again.read_bytes() == first.read_bytes()
    assert Path(f"{again}.hints.json").read_bytes() == saved.read_bytes()
