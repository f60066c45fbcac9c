"""`colorjax video` on what archives and recorders write, measured by ffprobe."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import video_command
from colorizers import random_colorizer
from helpers import ROOT

from colorjax.apps.video.colorizer import Options, VideoColorizer
from colorjax.apps.video.following import Follower
from colorjax.apps.video.levels import WEIGHTS
from colorjax.apps.video.plan import plan
from colorjax.apps.video.reader import Frame, Tags, Video, open_video
from colorjax.apps.video.ycbcr import ColorCoding, chroma_planes
from colorjax.errors import UserError
from colorjax.inference import upsample

GREY = "testsrc2=s=80x64:r=25:d=1,hue=s=0"
RAMP = "gradients=s=80x64:r=25:d=0.08:c0=black:c1=white:x0=0:y0=0:x1=79:y1=0:n=2"
TONE = "sine=f=440:d=1:r=48000"

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="the programs ffmpeg and ffprobe are missing",
)


@pytest.fixture(scope="module")
def colorizer():
    return random_colorizer("zhang2016", temperature=0.1)


@pytest.fixture
def command(colorizer, monkeypatch, capfd):
    return video_command(colorizer, monkeypatch, capfd)


def ffmpeg(folder, *arguments):
    """Run ffmpeg in a folder. `lavfi:X` is an input from its filter X."""
    words = []
    for word in map(str, arguments):
        is_filter = word.startswith("lavfi:")
        words += (
            ["-f", "lavfi", "-i", word.removeprefix("lavfi:")] if is_filter else [word]
        )
    program = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
    result = subprocess.run([*program, *words], cwd=folder, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def probe(path):
    """Streams, chapters and format of a file, as ffprobe says."""
    parts = ["-show_streams", "-show_chapters", "-show_format", "-of", "json"]
    result = subprocess.run(
        ["ffprobe", "-v", "error", *parts, path], capture_output=True, check=True
    )
    return json.loads(result.stdout)


def times(path, kind):
    """The times of the packets of the first "v" or "a" stream, sorted, in seconds."""
    entries = ["-select_streams", f"{kind}:0", "-show_entries", "packet=pts_time"]
    result = subprocess.run(
        ["ffprobe", "-v", "error", *entries, "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        check=True,
    )
    return np.sort([float(x.strip(",")) for x in result.stdout.split() if x != "N/A"])


def streams(path, kind):
    return [x for x in probe(path)["streams"] if x["codec_type"] == kind]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with the sources that several tests share."""
    folder = tmp_path_factory.mktemp("clips")
    both = f"lavfi:{GREY}", f"lavfi:{TONE}"
    h264 = "-c:v", "libx264", "-bf", 2, "-g", 12, "-c:a", "aac"
    ffmpeg(folder, *both, *h264, "one.ts")
    mpeg = "-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"
    ffmpeg(folder, *both, *mpeg, "one.vob")
    ffmpeg(folder, *both, "-c:v", "wmv2", "-c:a", "wmav2", "home.wmv")
    (folder / "s.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nGuten Tag\n")
    (folder / "chapters.txt").write_text(
        ";FFMETADATA1\ntitle=My film\nartist=Me\nreel=7\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
    )
    ffmpeg(folder, "lavfi:color=red:s=32x32", "-frames:v", 1, "cover.png")
    names = "-metadata:s:a:0 language=deu -metadata:s:a:0 title=Original "
    names += "-metadata:s:a:1 language=fra -metadata:s:a:1 title=Commentary "
    names += "-metadata:s:s:0 language=ger -metadata:s:s:0 title=Deutsch "
    names += "-disposition:a:0 0 -disposition:a:1 default -disposition:s:0 forced"
    inputs = *both, f"lavfi:{TONE}", "-i", "s.srt", "-i", "chapters.txt"
    mapped = ["-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4"]
    rich = *inputs, *mapped, *h264, *names.split()
    extras = ["-attach", "s.srt", "-metadata:s:t", "mimetype=text/plain"]
    ffmpeg(folder, *rich, *extras, "rich.mkv")
    cover = [
        "-map",
        "5",
        "-c:v:1",
        "png",
        "-disposition:v:1",
        "attached_pic",
        "-c:s",
        "mov_text",
    ]
    ffmpeg(folder, *inputs, "-i", "cover.png", *mapped, *h264, *names.split(), *cover,
           "rich.mp4")  # fmt: skip
    tape = "testsrc2=s=96x64:r=50:d=0.4,hue=s=0,interlace,setsar=8/9"
    lines = ["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1"]
    ffmpeg(folder, f"lavfi:{tape}", *lines, "tape.mp4")
    return folder


CODINGS = {  # -c:v, -pix_fmt, suffix, other options, and the range that is shown
    "grey": ("ffv1", "gray", ".mkv", "", "pc"),
    "limited grey": ("ffv1", "gray", ".mkv", "-color_range tv", "tv"),
    "grey, 10 bits": ("ffv1", "gray10le", ".mkv", "", "pc"),
    "grey, 16 bits": ("ffv1", "gray16le", ".mkv", "", "pc"),
    "RGB": ("libx264rgb", "rgb24", ".mkv", "-qp 0", "pc"),
    "RGB, 12 bits": ("ffv1", "gbrp12le", ".mkv", "", "pc"),
    "PNG, 16 bits": ("png", "rgb48be", ".mov", "", "pc"),
    "PNG with alpha": ("png", "ya8", ".mov", "", "pc"),
    "black and white": ("png", "monob", ".mov", "", "pc"),
    "JPEG 2000": ("jpeg2000", "gray", ".mov", "", "pc"),
    "full, 12 bits": ("ffv1", "yuv444p12le", ".mkv", "-color_range pc", "pc"),
    "limited, 12 bits": ("ffv1", "yuv420p12le", ".mkv", "", "tv"),
    "packed": ("rawvideo", "uyvy422", ".mov", "", "tv"),
    "10 bits in 128": ("v210", "yuv422p10le", ".mov", "", "tv"),
}


@pytest.mark.parametrize("kind", CODINGS)
def test_levels_show_as_before(kind, command, tmp_path):
    """The grey level of every pixel, as ffmpeg decodes source and result."""
    codec, form, suffix, options, expected = CODINGS[kind]
    source, target = tmp_path / f"in{suffix}", tmp_path / "out.mkv"
    full = {"pc": "full", "tv": "limited"}[expected]
    scale = f"{RAMP},scale=out_range={full},format={form}"
    ffmpeg(tmp_path, f"lavfi:{scale}", "-c:v", codec, *options.split(), source)
    code, _, err = command(source, "--out", target, "--crf", 0)
    assert code == 0, err
    stream = streams(target, "video")[0]
    assert stream["color_range"] == expected
    deep = "10" in stream["pix_fmt"]
    show = "-frames:v", 1, "-f", "rawvideo"
    rgb = ffmpeg(tmp_path, "-i", source, *show, "-pix_fmt", "rgb48le", "-")
    before = np.frombuffer(rgb, "<u2").reshape(-1, 3).mean(1) / 65535
    planes = ffmpeg(tmp_path, "-i", target, *show, "-")
    luma = np.frombuffer(planes, "<u2" if deep else "u1")[: len(before)]
    unit = 4 if deep else 1
    black, white = (0, 256 * unit - 1) if expected == "pc" else (16 * unit, 235 * unit)
    after = ((luma.astype(float) - black) / (white - black)).clip(0, 1)
    # ffmpeg rounds down by up to one of 255 levels where it makes 16 bits of 8.
    assert np.abs(before - after).max() < 1.25 / 255
    assert before.max() - before.min() > 0.95


def join(folder, part, count, target):
    data = (folder / part).read_bytes()
    target.write_bytes(data * count)
    return target


@pytest.mark.parametrize("out", [".mkv", ".mp4"])
def test_joined_recordings_follow_each_other(out, clips, command, tmp_path):
    """As `ffmpeg -c copy`: 75 frames and the sound of three seconds, in step."""
    source = join(clips, "one.ts", 3, tmp_path / "three.ts")
    target = tmp_path / f"out{out}"
    code, text, err = command(source, "--out", target)
    assert code == 0, err
    assert "75 frames" in text
    frames, sound = times(target, "v"), times(target, "a")
    np.testing.assert_allclose(np.diff(frames), 0.04, atol=0.0015)
    assert len(sound) == 3 * len(times(clips / "one.ts", "a"))
    single = times(clips / "one.ts", "v")[0] - times(clips / "one.ts", "a")[0]
    for i in range(3):
        part = sound[i * len(sound) // 3]
        assert frames[25 * i] - part == pytest.approx(single, abs=0.03)


def test_joined_dvd_cells(clips, command, tmp_path):
    source = join(clips, "one.vob", 2, tmp_path / "two.vob")
    code, _, err = command(source, "--out", tmp_path / "out.mkv")
    assert code == 0, err
    frames = times(tmp_path / "out.mkv", "v")
    assert frames[0] < 0.2 and np.diff(frames).max() < 0.1
    assert float(probe(tmp_path / "out.mkv")["format"]["duration"]) < 2.3


@pytest.mark.parametrize("start", [90_000, 95_441.8])
@pytest.mark.parametrize("out", [".mkv", ".mp4"])
def test_times_count_from_the_start(start, out, clips, command, tmp_path):
    """Also where the clock is late, or below 0 because its 33 bits have wrapped."""
    shift = "-output_ts_offset", start, "-mpegts_copyts", int(start > 95_000)
    ffmpeg(clips, "-i", "one.ts", "-c", "copy", *shift, tmp_path / "in.ts")
    target = tmp_path / f"out{out}"
    code, _, err = command(tmp_path / "in.ts", "--out", target)
    assert code == 0, err
    assert float(probe(target)["format"]["duration"]) == pytest.approx(1.03, abs=0.05)
    starts = [times(tmp_path / "in.ts", x)[0] for x in "va"]
    after = [times(target, x)[0] for x in "va"]
    assert np.diff(after)[0] == pytest.approx(np.diff(starts)[0], abs=0.002)
    assert min(after) == pytest.approx(0, abs=0.002)


def test_a_late_stream_stays_late(clips, command, tmp_path):
    """Matroska with B-frames, whose sound begins half a second before the video."""
    late = "-itsoffset", 0.5, f"lavfi:{GREY}", f"lavfi:{TONE}"
    ffmpeg(tmp_path, *late, "-c:v", "libx264", "-bf", 3, "-c:a", "aac", "in.mkv")
    code, _, err = command(tmp_path / "in.mkv", "--out", tmp_path / "out.webm",
                           "--audio", "encode")  # fmt: skip
    assert code == 0, err
    before, after = (times(tmp_path / x, "v") for x in ("in.mkv", "out.webm"))
    np.testing.assert_allclose(after, before, atol=0.025)


@pytest.mark.parametrize("out", [".mp4", ".mov", ".mkv", ".webm"])
def test_shape_of_pixels(out, command, tmp_path):
    grey = "testsrc2=s=180x144:r=25:d=0.2,hue=s=0,setsar=64/45"
    title = "-metadata:s:v:0", "title=Reel #1"
    ffmpeg(tmp_path, f"lavfi:{grey}", "-c:v", "libx264", *title, "in.mkv")
    target = tmp_path / f"out{out}"
    code, _, err = command(tmp_path / "in.mkv", "--out", target)
    assert code == 0, err
    [stream] = streams(target, "video")
    assert stream["sample_aspect_ratio"] == "64:45"
    assert stream["display_aspect_ratio"] == "16:9"
    assert (stream["color_primaries"], stream["color_transfer"]) == ("bt709", "bt709")
    key = "title" if out in (".mkv", ".webm") else "handler_name"
    assert stream["tags"][key] == "Reel #1"


def test_sound_is_copied_wherever_ffmpeg_can(clips, command, tmp_path):
    """Matroska holds Windows' codecs, and FLV cannot be rewound."""
    packets = len(times(clips / "home.wmv", "a"))
    code, _, err = command(clips / "home.wmv", "--out", tmp_path / "o'ut |.mkv")
    assert code == 0, err
    assert streams(tmp_path / "o'ut |.mkv", "audio")[0]["codec_name"] == "wmav2"
    assert len(times(tmp_path / "o'ut |.mkv", "a")) == packets
    both = f"lavfi:{GREY}", "lavfi:sine=f=440:d=1:r=44100"
    ffmpeg(tmp_path, *both, "-c:v", "flv1", "-c:a", "libmp3lame", "web.flv")
    code, _, err = command(tmp_path / "web.flv", "--out", tmp_path / "out.mp4")
    assert code == 0, err
    assert streams(tmp_path / "out.mp4", "audio")[0]["codec_name"] == "mp3"


def test_sound_that_does_not_fit(clips, command, tmp_path):
    target = tmp_path / "out.mp4"
    code, _, err = command(clips / "home.wmv", "--out", target)
    assert code == 2 and err.count("\n") == 1
    assert "out.mp4: .mp4 files cannot hold sound (wmav2); use --audio encode" in err
    assert not list(tmp_path.iterdir())
    assert command(clips / "home.wmv", "--out", target, "--audio", "none")[0] == 0
    assert not streams(target, "audio")
    encode = "--audio", "encode", "--overwrite"
    assert command(clips / "home.wmv", "--out", target, *encode)[0] == 0
    [sound] = streams(target, "audio")
    assert sound["codec_name"] == "aac"
    assert float(sound["duration"]) == pytest.approx(1, abs=0.1)
    joined = join(clips, "one.ts", 2, tmp_path / "two.ts")
    assert command(joined, "--out", target, *encode)[0] == 0
    assert np.diff(times(target, "a")).max() < 0.03
    assert times(target, "a")[-1] == pytest.approx(2, abs=0.1)


def test_a_stream_without_packets_is_named(clips, command, tmp_path):
    """Recorders declare sound that comes late or never."""
    inputs = f"lavfi:{GREY}", f"lavfi:{TONE}", "-itsoffset", 20, f"lavfi:{TONE}"
    mapped = "-map", 0, "-map", 1, "-map", 2, "-c:v", "libx264", "-c:a", "mp2"
    ffmpeg(tmp_path, *inputs, *mapped, "in.ts")
    code, _, err = command(tmp_path / "in.ts", "--out", tmp_path / "out.mkv")
    assert code == 0, err
    assert "cannot hold sound" not in err or "rate is unknown" in err
    assert len(streams(tmp_path / "out.mkv", "audio")) >= 1


def test_dv_shows_the_bottom_field_first(command, tmp_path):
    tape = "testsrc2=s=720x576:r=50:d=0.08,hue=s=0,interlace=scan=bff"
    ffmpeg(tmp_path, f"lavfi:{tape}", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", "in.dv")
    code, text, err = command(tmp_path / "in.dv", "--out", tmp_path / "out.mkv")
    assert code == 0, err
    assert "bottom field first" in text
    assert streams(tmp_path / "out.mkv", "video")[0]["field_order"] == "bb"


def test_interlaced_video(clips, command, tmp_path):
    source = clips / "tape.mp4"
    assert streams(source, "video")[0]["field_order"] == "tt"
    for out in ("out.mp4", "out.mkv"):
        code, text, err = command(source, "--out", tmp_path / out, "--crf", 0)
        assert code == 0, err
        assert "tape.mp4: interlaced, top field first; kept interlaced" in text
        [stream] = streams(tmp_path / out, "video")
        assert stream["field_order"] == "tt"
    assert luma(tmp_path, source) == luma(tmp_path, tmp_path / "out.mkv")
    target = tmp_path / "progressive.mkv"
    code, text, _ = command(source, "--out", target, "--interlaced", "deinterlace")
    assert code == 0 and "deinterlaced" in text
    assert streams(target, "video")[0]["field_order"] == "progressive"
    np.testing.assert_allclose(times(target, "v"), times(source, "v"), atol=0.002)
    target = tmp_path / "out.webm"
    code, _, err = command(source, "--out", target, "--interlaced", "keep")
    assert code == 2 and "cannot hold interlaced video" in err
    code, text, _ = command(source, "--out", target)
    assert code == 0 and "deinterlaced" in text


def luma(folder, path):
    """The luma of all frames, as ffmpeg decodes them."""
    planes = "-vf", "extractplanes=y", "-f", "rawvideo", "-"
    return ffmpeg(folder, "-i", path, *planes)


def test_each_field_has_its_own_chroma():
    """The chroma lines of a field are those of a frame that shows this field alone."""
    coding, one = ColorCoding(WEIGHTS[1]), Fraction(1)
    video = Video(Path("x"), (32, 32), one, 0, coding, Tags(1, 1, 1, 1), one, one, 1.0,
                  1, "top")  # fmt: skip
    colorizer = VideoColorizer(
        random_colorizer("regression"), video, Options(), Follower([])
    )
    luma = np.random.default_rng(0).integers(16, 236, (32, 32)).astype(np.uint8)
    [colored] = colorizer.colorize([Frame(luma, 0, 1)])
    ab = np.float32(1) * colorizer.state.ab
    [prediction] = colorizer.colorizer.predict(
        [
            np.repeat(
                np.round(255 * coding.to_grey(luma)).astype(np.uint8)[..., None], 3, 2
            )
        ]
    )
    guide = upsample.fit(prediction.lightness, ab)
    for i in (0, 1):
        expected = chroma_planes(luma[i::2], guide, coding, subsampled=True)
        for plane, lines in zip(colored.chroma, expected, strict=True):
            assert np.abs(plane[i::2].astype(int) - lines).max() <= 1


def table():
    """The table of docs/video.md: {what: {suffix: whether it is kept}}."""
    text = (ROOT / "docs/video.md").read_text()
    rows = [line.strip("|").split("|") for line in text.splitlines() if "|" in line]
    rows = [[cell.strip() for cell in row] for row in rows]
    first = next(i for i, row in enumerate(rows) if row[0] == "what")
    return {
        row[0]: dict(zip(rows[first][1:], (x == "yes" for x in row[1:]), strict=True))
        for row in rows[first + 2 :]
    }


@pytest.mark.parametrize("out", [".mp4", ".mov", ".mkv", ".webm"])
def test_what_the_docs_say_is_kept(out, clips, command, tmp_path):
    """The rows of the table that are not tested above, and a line for each loss."""
    audio = ["--audio", "encode"] if out == ".webm" else []
    kept, lines = {}, {}
    for source in ("rich.mkv", "rich.mp4"):
        target = tmp_path / f"{source}{out}"
        code, _, err = command(clips / source, "--out", target, *audio)
        assert code == 0, err
        kept[source], lines[source] = probe(target), err
    docs = {what: row[out] for what, row in table().items()}

    def of(source, kind):
        return [x for x in kept[source]["streams"] if x["codec_type"] == kind]

    for sound in (of("rich.mkv", "audio"), of("rich.mp4", "audio")):
        german = "ger" if out == ".mov" else "deu"
        assert [x["tags"]["language"] for x in sound] == [german, "fra"]
        assert [x["disposition"]["default"] for x in sound] == [0, 1]
        key = "title" if out in (".mkv", ".webm") else "handler_name"
        assert [x["tags"][key] for x in sound] == ["Original", "Commentary"]
    for x in kept.values():
        assert [c["tags"]["title"] for c in x["chapters"]] == ["One", "Two"]
        assert float(x["chapters"][1]["start_time"]) == pytest.approx(0.5)
        tags = {key.lower(): value for key, value in x["format"]["tags"].items()}
        assert (tags["title"], tags["artist"]) == ("My film", "Me")
    texts = [bool(of(source, "subtitle")) for source in ("rich.mkv", "rich.mp4")]
    assert texts == [
        docs["subtitles: SubRip, ASS"],
        docs["subtitles: MPEG-4 text (in .mkv as SubRip)"],
    ]
    for source, held in zip(kept, texts, strict=True):
        assert (
            "cannot hold" in lines[source] and "subtitles (" in lines[source]
        ) != held
    if out == ".mkv":
        show = "-map", "0:s:0", "-f", "srt", "-"
        text = ffmpeg(tmp_path, "-i", "rich.mp4.mkv", *show).decode()
        assert text.splitlines()[2] == "Guten Tag"
        # Matroska shifts all streams, so that encoded sound does not begin below 0.
        starts = [times(tmp_path / "rich.mp4.mkv", x)[0] for x in "vs"]
        assert np.diff(starts)[0] == pytest.approx(0.1, abs=0.002)
    assert bool(of("rich.mkv", "attachment")) == docs["attachments"]
    assert ("attachment (s.srt)" in lines["rich.mkv"]) != docs["attachments"]
    assert (len(of("rich.mp4", "video")) == 2) == docs["cover image"]
    assert ("video (png" in lines["rich.mp4"]) != docs["cover image"]
    reel = {key.lower() for key in kept["rich.mkv"]["format"]["tags"]}
    assert ("reel" in reel) == docs["file tags of any name"]
    assert ("the file tag reel" in lines["rich.mkv"]) != docs["file tags of any name"]


SOUNDS = {"sound: AAC, MP3, AC-3": "aac libmp3lame ac3",
          "sound: Opus, Vorbis": "libopus libvorbis"}  # fmt: skip


@pytest.mark.parametrize("what", SOUNDS)
def test_sound_that_the_docs_name(what, tmp_path):
    for codec in SOUNDS[what].split():
        source = tmp_path / f"{codec}.mkv"
        inputs = f"lavfi:{GREY}", f"lavfi:{TONE}", "-t", 0.3
        ffmpeg(tmp_path, *inputs, "-c:v", "ffv1", "-c:a", codec, source)
        for suffix, held in table()[what].items():
            target = tmp_path / f"out{suffix}"
            if held:
                assert plan(open_video(source), target, "copy").copied
            else:
                with pytest.raises(UserError, match="cannot hold sound"):
                    plan(open_video(source), target, "copy")
