"""Videos for tests: a pan across a photograph, with a tone for sound."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage import data
from skimage.color import rgb2gray

from colorjax import cli
from colorjax.inference.colorizer import Colorizer

RATE, HERTZ = 25, 48000


def panned(count: int, size=(240, 320), photograph=data.astronaut) -> list[np.ndarray]:
    """`count` views of a photograph, uint8 [h, w, 3], each shifted by a few pixels."""
    image, (height, width) = photograph(), size
    views = []
    for i in range(count):
        left, top = round(3.3 * i), round(20 + 10 * np.sin(i / 6))
        view = image[top : top + height, left : left + width]
        views.append(np.ascontiguousarray(view))
    return views


def grey(photograph, left=0, top=0, size=(256, 320)):
    """A part of a photograph, uint8 [h, w]."""
    levels = np.round(255 * rgb2gray(photograph())).astype(np.uint8)
    return np.ascontiguousarray(levels[top : top + size[0], left : left + size[1]])


def write_clip(
    path: Path,
    views: list[np.ndarray],
    times: list[int] | None = None,
    sound: str | None = "aac",
    form: str = "yuv420p",
    codec: str = "libx264",
    turn: int = 0,
    tags: tuple[int, int] | None = None,
) -> Path:
    """Write views as a video; `times` are in milliseconds (default: 25 a second).

    `form` is ffmpeg's pixel format, `turn` the rotation in degrees that makes the video
    upright, `tags` are the numbers of matrix and range. The codec "ffv1" is lossless.
    """
    unit = Fraction(1, RATE) if times is None else Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.height, stream.width = views[0].shape[:2]
        stream.pix_fmt = form
        stream.time_base = stream.codec_context.time_base = unit
        if turn:
            stream.set_display_rotation(turn)
        if tags is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        packets, tone = [], container.add_stream(sound, rate=HERTZ) if sound else None
        for i, view in enumerate(views):
            frame = av.VideoFrame.from_ndarray(view, "rgb24")
            if tags is not None:
                frame = frame.reformat(
                    format=form, dst_colorspace=tags[0], dst_color_range=tags[1]
                )
            frame.pts, frame.time_base = i if times is None else times[i], unit
            packets += stream.encode(frame)
        packets += stream.encode()
        if tone is not None:
            packets += _tone(tone, float((frame.pts + 1) * unit))
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _tone(stream, seconds):
    """Packets of a tone of 440 Hz."""
    wave = 0.2 * np.sin(2 * np.pi * 440 * np.arange(int(HERTZ * seconds)) / HERTZ)
    for start in range(0, len(wave), 1024):
        part = wave[None, start : start + 1024]
        if stream.format.name == "fltp":
            part = part.astype(np.float32)
        else:
            part = np.round(32767 * part).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(part, stream.format.name, "mono")
        frame.rate, frame.pts = HERTZ, start
        yield from stream.encode(frame)
    yield from stream.encode()


def read_luma(path: Path) -> tuple[list[float], list[np.ndarray], av.VideoFrame]:
    """Times in seconds and luma of all frames as stored, and the last frame."""
    times, lumas = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
            rows = np.frombuffer(frame.planes[0], kind).reshape(frame.height, -1)
            times.append(frame.time)
            lumas.append(rows[:, : frame.width].copy())
    return times, lumas, frame


def read_rgb(path: Path) -> np.ndarray:
    """All frames, uint8 [n, h, w, 3]."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def read_sound(path: Path) -> list[tuple[float, bytes]]:
    """(seconds, bytes) of all packets of sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        packets = [p for p in container.demux(audio=0) if p.pts is not None]
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in packets]


def video_command(colorizer, monkeypatch, capfd):
    """A function that calls `colorjax video ARGS` in this process with a colorizer, and
    returns (exit code, stdout, stderr)."""

    def call(*arguments, run=colorizer):
        monkeypatch.setattr(Colorizer, "load", lambda *_: run)
        code = cli.main(["video", *map(str, arguments), "--run", "x"])
        out, err = capfd.readouterr()
        return code, out, err

    return call
