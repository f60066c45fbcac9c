"""`colorjax video`: it keeps times, sound and luma, smooths colors, and resumes."""

import subprocess
import sys
import time
from fractions import Fraction

import av
import jax.numpy as jnp
import numpy as np
import pytest
from clips import panned, read_luma, read_rgb, read_sound, video_command, write_clip
from colorizers import random_colorizer
from helpers import (
    PALETTE,
    ROOT,
    encode,
    environment,
    python,
    run_colorjax,
    run_train,
    scene,
    write_config,
    write_folder,
)
from skimage import data
from skimage.color import rgb2lab

from colorjax import images
from colorjax.apps.video import pipeline
from colorjax.apps.video.colorizer import VideoColorizer
from colorjax.apps.video.ycbcr import ColorCoding
from colorjax.evaluation.metrics.image import colorfulness_of
from colorjax.inference.colorizer import Colorizer
from colorjax.words import classes


@pytest.fixture(scope="module")
def colorizer():
    """Random weights; the low temperature makes colors tip at any small change."""
    return random_colorizer("zhang2016", temperature=0.1)


@pytest.fixture
def command(colorizer, monkeypatch, capfd):
    """`clips.video_command` with that colorizer."""
    return video_command(colorizer, monkeypatch, capfd)


def flicker(out):
    """The two numbers of the summary: with smoothing and without."""
    line = next(x for x in out.splitlines() if x.startswith("flicker"))
    numbers = [word.rstrip(".;") for word in line.split()]
    return [float(word) for word in numbers if word.replace(".", "", 1).isdigit()]


CLIPS = {
    "plain": dict(name="in.mp4"),
    "silent": dict(name="in.mkv", sound=None),
    "variable": dict(name="in.mkv", times=[0, 40, 121, 150, 161, 300, 345, 389, 400]),
    "odd": dict(name="in.mkv", form="yuv444p", size=(61, 83)),
    "deep": dict(name="in.mkv", form="yuv420p10le"),
    "full": dict(name="in.mkv", tags=(6, 2), form="yuvj420p", codec="mjpeg"),
    "bt709": dict(name="in.mkv", tags=(1, 1)),
    "vp9": dict(name="in.webm", codec="libvpx-vp9", sound="libopus"),
}


@pytest.mark.parametrize("kind", CLIPS)
def test_times_sound_and_luma_are_kept(kind, command, tmp_path):
    """With lossless output luma is the same bit for bit, whatever the codec."""
    options = dict(CLIPS[kind])
    source = tmp_path / options.pop("name")
    views = panned(9, options.pop("size", (64, 80)))
    write_clip(source, views, **options)
    target = tmp_path / f"out{source.suffix}"
    code, out, err = command(source, "--out", target, "--crf", 0)
    assert code == 0, err
    assert "9 frames, 1 shot" in out
    times, lumas, frame = read_luma(source)
    new_times, new_lumas, new_frame = read_luma(target)
    np.testing.assert_allclose(new_times, times, atol=1e-4)
    np.testing.assert_array_equal(new_lumas, lumas)
    assert read_sound(target) == read_sound(source)
    assert bool(read_sound(source)) == (options.get("sound", "aac") is not None)
    depth = new_frame.format.components[0].bits
    assert depth == frame.format.components[0].bits
    assert new_frame.color_range == (2 if kind == "full" else 1)
    assert new_frame.colorspace == {"bt709": 1, "full": 5}.get(kind, 6)
    rgb = read_rgb(target).astype(int)
    assert np.abs(rgb[..., 0] - rgb[..., 2]).mean() > 2  # there are colors
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert after.duration == pytest.approx(before.duration, abs=25_000)
        if kind != "variable":
            assert after.streams.video[0].average_rate == Fraction(25)
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name, target.name]


def test_a_rotated_video_is_written_upright(command, tmp_path):
    views = panned(3, (64, 80))
    source = write_clip(tmp_path / "in.mp4", views, turn=90)
    code, _, err = command(source, "--out", tmp_path / "out.mkv", "--crf", 0)
    assert code == 0, err
    _, lumas, _ = read_luma(source)
    _, turned, frame = read_luma(tmp_path / "out.mkv")
    assert frame.rotation == 0 and turned[0].shape == (80, 64)
    np.testing.assert_array_equal(turned, np.rot90(lumas, axes=(1, 2)))


def test_a_pan_flickers_half_as_much_and_is_as_colorful(command, tmp_path, monkeypatch):
    source = write_clip(tmp_path / "in.mkv", panned(24), codec="ffv1", sound=None)
    code, out, _ = command(source, "--out", tmp_path / "out.mkv", "--crf", 0)
    smoothed, unsmoothed = flicker(out)
    assert code == 0 and unsmoothed > 1 and smoothed < unsmoothed / 2
    # Without smoothing, as if every frame began a new shot.
    monkeypatch.setattr("colorjax.apps.video.flow.CUT", 2.0)
    _, out, _ = command(source, "--out", tmp_path / "alone.mkv", "--crf", 0)
    assert "24 frames, 24 shots" in out
    smoothed, unsmoothed = (
        colorfulness_of(jnp.asarray(read_rgb(tmp_path / name)) / 255).mean()
        for name in ("out.mkv", "alone.mkv")
    )
    assert float(smoothed) == pytest.approx(float(unsmoothed), rel=0.1)


def test_a_cut_starts_anew(command, tmp_path):
    """The frames after a cut are the same as in a video of their own."""
    first, second = panned(6), [view[::-1] for view in panned(5)]
    second = [np.ascontiguousarray(255 - view) for view in second]
    both = write_clip(tmp_path / "both.mkv", first + second, codec="ffv1", sound=None)
    alone = write_clip(tmp_path / "alone.mkv", second, codec="ffv1", sound=None)
    _, out, _ = command(both, "--out", tmp_path / "a.mkv", "--crf", 0, "--batch", 1)
    assert "11 frames, 2 shots" in out
    command(alone, "--out", tmp_path / "b.mkv", "--crf", 0, "--batch", 1)
    after, expected = read_rgb(tmp_path / "a.mkv"), read_rgb(tmp_path / "b.mkv")
    np.testing.assert_array_equal(after[6:], expected)


def test_a_hint_counts_from_its_time_to_the_cut(command, tmp_path):
    first, second = panned(4, (64, 80)), [view[::-1] for view in panned(2, (64, 80))]
    clip = [*first, *(np.ascontiguousarray(255 - view) for view in second)]
    source = write_clip(tmp_path / "in.mkv", clip, codec="ffv1", sound=None)
    hint = "--hint", "0.04@40,32=#3355cc", "--hint", "9@1,1=neutral"
    plain, hinted = tmp_path / "plain.mkv", tmp_path / "hinted.mkv"
    assert command(source, "--out", plain, "--crf", 0)[0] == 0
    code, out, err = command(source, "--out", hinted, "--crf", 0, *hint)
    assert code == 0 and "hints at 9 s are not used" in out, err
    plain, hinted = (rgb2lab(read_rgb(path)) for path in (plain, hinted))
    changed = np.abs(hinted - plain).max((1, 2, 3)) > 5
    assert changed.tolist() == [False, True, True, True, False, False]
    assert hinted[1, 32, 40, 2] < -25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hint", "4,4=#3355cc"], "has no time; write seconds and @ before it"),
        (["--hint", "x@4,4=#3355cc"], "'x' is not a number"),
        (["--hint", "0@400,4=#3355cc"], "--hint 400,4=#3355cc is outside"),
        (["--hints", "0@missing.json"], "missing.json: No such file"),
        (["--hints", "0@FOLDER"], "is a folder; name a file for each time"),
        (["--hints", "0@FOLDER/text.json"], "its text is for pictures, not for a film"),
        (["--only-here"], "--only-here needs --hint or --hints"),
    ],
)
def test_wrong_hints(options, message, command, tmp_path):
    source = write_clip(tmp_path / "in.mkv", panned(1, (64, 80)), sound=None)
    (tmp_path / "text.json").write_text('{"text": "red car"}')
    options = [x.replace("FOLDER", str(tmp_path)) for x in options]
    code, _, err = command(source, "--out", tmp_path / "out.mkv", *options)
    assert code and message in err and "Traceback" not in err
    assert not (tmp_path / "out.mkv").exists()


BOX = "house=30%,30%,70%,70%"


def test_a_thing_of_a_text_counts_from_its_time_to_the_cut(command, tmp_path):
    first, second = panned(4, (64, 80)), [view[::-1] for view in panned(2, (64, 80))]
    clip = [*first, *(np.ascontiguousarray(255 - view) for view in second)]
    source = write_clip(tmp_path / "in.mkv", clip, codec="ffv1", sound=None)
    plain, colored = tmp_path / "plain.mkv", tmp_path / "colored.mkv"
    text = "--text", "make the house blue", "--box", f"0.04@{BOX}", "--places"
    assert command(source, "--out", plain, "--crf", 0)[0] == 0
    code, _, err = command(source, "--out", colored, "--crf", 0, *text)
    assert code == 0, err
    plain, colored = (rgb2lab(read_rgb(path)) for path in (plain, colored))
    changed = np.abs(colored - plain).max((1, 2, 3)) > 5
    assert changed.tolist() == [False, True, True, True, False, False]
    assert colored[1, 32, 40, 2] < -10
    drawing = tmp_path / "colored.mkv.0.04s.places.png"
    assert images.read(drawing.read_bytes()).shape == (64, 80, 3)


def test_an_unsure_place_is_a_question(command, tmp_path, monkeypatch):
    """Before the network runs, with a drawing of the first frame."""
    flat = np.zeros((14, 21, 1000), np.float32)
    monkeypatch.setattr(classes, "class_maps", lambda _: flat)
    monkeypatch.setattr(classes, "nearest_classes", lambda _: (np.arange(10), 0.9))
    source = write_clip(tmp_path / "in.mkv", panned(2, (64, 80)), sound=None)
    out = tmp_path / "out.mkv"
    code, _, err = command(source, "--out", out, "--text", "red house, blue sky")
    assert code == 2 and not out.exists()
    assert "--box 'house=X0,Y0,X1,Y1' or --at 'house=X,Y'" in err
    drawing = tmp_path / "out.mkv.places.png"
    assert f"{drawing} shows the guess" in err and drawing.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--box", BOX], "--box, --at and --places need --text"),
        (["--clip", "clip.pt"], "--clip needs --text"),
        (["--text", "red house", "--box", f"9@{BOX}"], "in.mkv ends before 9 s"),
        (["--text", "red house", "--box", f"x@{BOX}"], "'x' is not a number"),
        (["--text", "red house", "--at", "1@bus=1,2"], "'bus' is no noun of the text"),
        (["--text", "house"], "--text: 'house': no word in it is a color"),
    ],
)
def test_wrong_text(options, message, command, tmp_path):
    source = write_clip(tmp_path / "in.mkv", panned(1, (64, 80)), sound=None)
    code, _, err = command(source, "--out", tmp_path / "out.mkv", *options)
    assert code and message in err and "Traceback" not in err
    assert not (tmp_path / "out.mkv").exists()


def test_an_interrupted_command_resumes_and_ends_the_same(
    command, tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline, "SEGMENT", 5)
    source = write_clip(tmp_path / "in.mkv", panned(18, (64, 80)))
    target, whole = tmp_path / "out.mkv", tmp_path / "whole.mkv"
    options = "--batch", 2, "--hint", "0.1@30,20=#3355cc"
    assert command(source, "--out", whole, *options)[0] == 0
    colorize, frames = VideoColorizer.colorize, []

    def interrupted(*args):
        for frame in colorize(*args):
            frames.append(frame)
            if len(frames) == 12:
                raise KeyboardInterrupt
            yield frame

    with monkeypatch.context() as patch:
        patch.setattr(VideoColorizer, "colorize", interrupted)
        assert command(source, "--out", target, *options)[0] == 130
    assert not target.exists() and (tmp_path / ".out.mkv.parts/00001.nut").exists()
    code, out, _err = command(source, "--out", target, *options)
    assert code == 0 and "18 frames, 1 shot" in out
    assert target.read_bytes() == whole.read_bytes()
    assert flicker(out) == flicker(
        command(source, "--out", whole, *options, "--overwrite")[1]
    )
    assert not (tmp_path / ".out.mkv.parts").exists()


def test_interrupted_while_the_segments_are_joined(command, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "SEGMENT", 5)
    source = write_clip(tmp_path / "in.mkv", panned(7, (64, 80)))
    target = tmp_path / "out.mkv"

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "join", interrupted)
        assert command(source, "--out", target)[0] == 130
    monkeypatch.setattr(Colorizer, "predict", None)  # all frames are finished
    code, out, _ = command(source, "--out", target)
    assert code == 0 and "7 frames, 1 shot" in out
    assert len(read_rgb(target)) == 7


def test_segments_of_another_command_are_not_reused(command, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "SEGMENT", 4)
    source = write_clip(tmp_path / "in.mkv", panned(8, (64, 80)))
    target, whole = tmp_path / "out.mkv", tmp_path / "whole.mkv"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "join", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command(source, "--out", target)
    assert (tmp_path / ".out.mkv.parts/00001.nut").exists()
    grey = ["--saturation", 0, "--crf", 0]
    assert command(source, "--out", target, *grey)[0] == 0
    assert command(source, "--out", whole, *grey)[0] == 0
    assert target.read_bytes() == whole.read_bytes()
    rgb = read_rgb(target).astype(int)
    assert np.abs(rgb - rgb[..., :1]).max() <= 2


@pytest.mark.parametrize(
    "settings", [dict(name="regression"), PALETTE], ids=["regression", "palette"]
)
def test_method_without_a_distribution(settings, tmp_path, command):
    """Its ab is averaged; options that need a distribution are refused. A sampler has
    one noise for all frames, so its colors do not flicker more."""
    run = random_colorizer(**settings)
    source = write_clip(tmp_path / "in.mkv", panned(8, (64, 80)), sound=None)
    code, out, _ = command(source, "--out", tmp_path / "out.mp4", run=run)
    smoothed, unsmoothed = flicker(out)
    assert code == 0 and smoothed < 0.7 * unsmoothed
    options = ["--out", tmp_path / "no.mp4", "--temperature", 1]
    code, _, err = command(source, *options, run=run)
    assert code == 2 and "this method gives one color per pixel" in err


def test_a_truncated_video_is_written_as_far_as_it_goes(command, tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", panned(60, (64, 80)))
    source = tmp_path / "in.mkv"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    code, out, err = command(source, "--out", tmp_path / "out.mp4")
    lines = [line for line in err.splitlines() if not line.startswith("colorized")]
    assert code == 1 and len(lines) == 1
    assert "in.mkv: it ends after" in lines[0] and "of the 2.4 s" in lines[0]
    frames = len(read_rgb(tmp_path / "out.mp4"))
    assert 10 < frames < 50 and f"{frames} frames" in out
    # A file that cannot be read at all leaves nothing behind.
    source.write_bytes(whole.read_bytes()[:300])
    code, _, err = command(source, "--out", tmp_path / "none.mp4")
    assert code == 2 and err.count("\n") == 1 and "in.mkv" in err
    assert not list(tmp_path.glob("*none*"))


def test_damaged_packets_are_counted(command, tmp_path):
    views, source = panned(12, (64, 80)), tmp_path / "in.mov"
    write_clip(source, views, codec="png", form="rgb24", sound=None)
    damaged = bytearray(source.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 40] = bytes(40)
    source.write_bytes(damaged)
    code, out, err = command(source, "--out", tmp_path / "out.mp4")
    assert code == 1 and "11 frames" in out
    assert err.splitlines()[-1].endswith(
        "in.mov: 1 of its packets could not be decoded; the rest is written"
    )


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("diary.txt", "out.mp4", "diary.txt: not a video"),
        ("diary.mp4", "out.mp4", "diary.mp4: not a readable video"),
        ("empty.mp4", "out.mp4", "empty.mp4: not a readable video"),
        ("picture.png", "out.mp4", "colorjax colorize reads images"),
        ("none.mp4", "out.mp4", "none.mp4: no such file"),
        ("in.mkv", "in.mkv", "in.mkv is the input too"),
        ("in.mkv", "out.avi", "cannot write '.avi' videos; use .mp4"),
        ("in.mkv", "out.mp4", "cannot hold sound (pcm_s16le)"),
        ("in.mkv", "diary.txt/out.mkv", "cannot be written"),
        ("sound.wav", "out.mp4", "sound.wav: no video stream in it"),
    ],
)
def test_mistakes(name, out, message, command, tmp_path):
    for diary in ("diary.txt", "diary.mp4"):
        (tmp_path / diary).write_text("Dear diary,\n" * 100)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "picture.png").write_bytes(encode(scene(1, 64)))
    write_clip(tmp_path / "in.mkv", panned(2, (64, 80)), sound="pcm_s16le")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        container.add_stream("pcm_s16le", rate=8000, layout="mono")
        container.start_encoding()
    before = sorted(tmp_path.iterdir())
    code, _, err = command(tmp_path / name, "--out", tmp_path / out)
    assert code == 2 and message in err and err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("options", [("--batch", 0), ("--crf", 99), ("--palette", "x")])
def test_options_out_of_range(options, command, tmp_path):
    code, _, err = command(tmp_path / "in", "--out", tmp_path / "out.mp4", *options)
    assert code == 2 and err.count("\n") == 1


def test_an_existing_result_is_left(command, tmp_path):
    source = write_clip(tmp_path / "in.mkv", panned(2, (64, 80)), sound=None)
    (tmp_path / "out.mp4").write_bytes(b"mine")
    code, out, _ = command(source, "--out", tmp_path / "out.mp4")
    assert code == 0 and "--overwrite replaces it" in out
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"
    assert command(source, "--out", tmp_path / "out.mp4", "--overwrite")[0] == 0
    assert len(read_rgb(tmp_path / "out.mp4")) == 2


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    (tmp_path / "av.py").write_text("raise ImportError('no such package')\n")
    path = f"{tmp_path}:{ROOT}"
    arguments = ["video", tmp_path / "in.mp4", "--run", "x", "--out", "out.mp4"]
    result = run_colorjax(*arguments, env={"PYTHONPATH": path})
    assert result.code == 2 and result.err.count("\n") == 1
    assert 'pip install -e ".[video]"' in result.err


def test_no_other_command_imports_the_extras():
    code = """
import sys
import colorjax
from colorjax import cli
from colorjax.inference import colorizer
cli.main(["info", "no"])
cli.main(["colorize", "nowhere", "--run", "x", "--out", "y"])
extras = "av", "cv2", "onnx", "onnxruntime", "gradio", "starlette"
print([name for name in extras if name in sys.modules])
"""
    result = python("-c", code, cwd=ROOT)
    assert result.out.splitlines()[-1] == "[]", result.err


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A run of the quick config, shorter."""
    workdir = tmp_path_factory.mktemp("quick") / "run"
    options = ["--config.steps=100", "--config.evaluation.every=0"]
    config = ROOT / "configs/quick.py"
    result = run_train(
        f"--config={config}", f"--workdir={workdir}", *options, timeout=1500
    )
    assert result.code == 0, result.err
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize("photograph", [data.astronaut, data.coffee])
def test_pan_with_a_trained_net(photograph, quick, tmp_path):
    """Half the flicker, and colorfulness within a tenth."""
    views = panned(50, (240, 320), photograph)
    source = write_clip(tmp_path / "in.mkv", views)
    result = run_colorjax(
        "video", source, "--run", quick, "--out", tmp_path / "out.mkv", "--crf", 0
    )
    assert result.code == 0, result.err
    smoothed, unsmoothed = flicker(result.out)
    assert smoothed < unsmoothed / 2
    colorizer = Colorizer.load(quick)
    _, lumas, _ = read_luma(source)
    full = [
        np.round(ColorCoding((0, 0)).to_grey(x) * 255).astype(np.uint8) for x in lumas
    ]
    frames = np.stack(colorizer(full))
    smoothed, unsmoothed = (
        float(colorfulness_of(jnp.asarray(x) / 255).mean())
        for x in (read_rgb(tmp_path / "out.mkv"), frames)
    )
    assert smoothed == pytest.approx(unsmoothed, rel=0.1)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """The workdir of a run of two steps."""
    folder = tmp_path_factory.mktemp("drawings")
    pictures = write_folder(folder / "pictures", 8)
    config = write_config(folder / "tiny.py", data=dict(root=str(pictures)))
    result = run_train(f"--config={config}", f"--workdir={folder / 'run'}")
    assert result.code == 0, result.err
    return folder / "run"


@pytest.mark.slow
def test_kill_9_at_any_moment(workdir, tmp_path):
    source = write_clip(tmp_path / "in.mkv", panned(300, (64, 80), wide))
    arguments = ["video", str(source), "--run", str(workdir), "--out"]
    whole, target = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    result = run_colorjax(*arguments, whole)
    assert result.code == 0, result.err
    killed, parts = 0, tmp_path / ".out.mkv.parts"
    while not target.exists():
        before = len(list(parts.glob("*.npz")))
        command = [sys.executable, "-m", "colorjax", *arguments, str(target)]
        process = subprocess.Popen(command, env=environment(), cwd=ROOT)
        while process.poll() is None and len(list(parts.glob("*.npz"))) <= before:
            time.sleep(0.02)
        if process.poll() is None:
            time.sleep(0.1 * killed)
            process.kill()
            killed += 1
        process.wait()
    assert killed >= 2
    assert target.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_length(workdir, tmp_path):
    """The resident memory after each segment."""
    code = """
import sys
from colorjax import cli
from colorjax import images
from colorjax.apps.video import pipeline
from colorjax.apps.video.segments import Segments

def finish(*args, finish=Segments.finish):
    finish(*args)
    print("resident", open("/proc/self/statm").read().split()[1])

pipeline.SEGMENT, Segments.finish = 32, finish
assert cli.main(sys.argv[1:]) == 0
"""
    source = write_clip(tmp_path / "in.mkv", panned(256, (240, 320), wide))
    arguments = ["video", source, "--run", workdir, "--out", tmp_path / "out.mkv"]
    result = python("-c", code, *arguments, timeout=900)
    assert result.code == 0, result.err
    lines = [x.split() for x in result.out.splitlines()]
    pages = [int(line[1]) for line in lines if line[0] == "resident"]
    assert len(pages) == 8
    assert max(pages[4:]) < 1.05 * max(pages[:4])


def wide():
    """A photograph repeated side by side, for a long pan."""
    return np.tile(data.astronaut(), (1, 8, 1))
