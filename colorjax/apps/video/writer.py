"""Encoding colorized frames, and joining them with the source's sound: `encode`,
`join`, `check_target`.

A video is encoded in segments, one file each, so that an interrupted command can
resume. Segments are NUT files, which can hold any time base. They have no B-frames, so
that their packets can follow each other without changes.
"""

import contextlib
import heapq
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from colorjax import files
from colorjax.apps.video.reader import Frame, Video
from colorjax.apps.video.ycbcr import Planes
from colorjax.errors import UserError

CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
OPTIONS = {
    "libx264": {"preset": "medium", "bf": "0"},
    "libvpx-vp9": {"b:v": "0", "row-mt": "1", "cpu-used": "3"},
}
LOSSLESS = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}


class ColoredFrame(NamedTuple):
    """A frame and its chroma planes."""

    frame: Frame
    chroma: Planes


def is_subsampled(video: Video) -> bool:
    """Whether the chroma planes have half the height and width, as in most videos.

    Frames with an odd side have chroma at full size.
    """
    return not any(n % 2 for n in video.size)


def check_target(video: Video, target: Path) -> None:
    """Raise `UserError` if a file of this type cannot hold the video."""
    suffix = target.suffix.lower()
    if suffix not in CODECS:
        raise UserError(
            f"{target}: cannot write '{suffix}' videos; use {', '.join(CODECS)}"
        )
    with av.open(str(video.path)) as source:
        for sound in source.streams.audio:
            try:
                _try_sound(source, sound, FORMATS[suffix])
            except (FFmpegError, ValueError) as error:
                raise UserError(
                    f"{target}: {suffix} files cannot hold sound of the kind "
                    f"{sound.codec_context.name}; give another --out, .mkv holds any"
                ) from error


def _try_sound(source: InputContainer, sound: av.AudioStream, name: str) -> None:
    """Write the first packets; some formats raise an error only for these."""
    with av.open(io.BytesIO(), "w", format=name) as trial:
        stream = trial.add_stream_from_template(sound)
        trial.start_encoding()
        source.seek(0)
        for packet in itertools.islice(source.demux(sound), 2):
            if packet.dts is not None:
                packet.stream = stream
                trial.mux(packet)


def encode(
    path: Path, video: Video, frames: Iterable[ColoredFrame], suffix: str, crf: int
) -> None:
    """Write a segment for a video with `suffix`. A `crf` of 0 is lossless."""
    codec = CODECS[suffix]
    with _replacing(path) as part, av.open(str(part), "w", format="nut") as container:
        options = OPTIONS[codec] | ({"crf": str(crf)} if crf else LOSSLESS[codec])
        stream = container.add_stream(codec, rate=video.rate, options=options)
        assert isinstance(stream, av.VideoStream)
        context, tags = stream.codec_context, video.tags
        context.height, context.width = video.size
        context.pix_fmt = _pixel_format(video)
        context.time_base = stream.time_base = video.unit
        context.sample_aspect_ratio = video.aspect
        context.colorspace, context.color_primaries = tags.matrix, tags.primaries
        context.color_trc, context.color_range = tags.transfer, tags.range
        durations: dict[int | None, int] = {}
        for colored in frames:
            durations[colored.frame.time] = colored.frame.duration
            for packet in stream.encode(_to_av(colored, video)):
                packet.duration = durations[packet.pts]
                container.mux(packet)
        for packet in stream.encode():
            packet.duration = durations[packet.pts]
            container.mux(packet)


def join(target: Path, video: Video, segments: list[Path]) -> None:
    """Write the frames of the segments and the sound of the source to `target`.

    The file is written beside the target and then renamed.
    """
    suffix = target.suffix.lower()
    options = {"fflags": "+bitexact"}  # no date and no random number in the file
    if suffix in (".mp4", ".mov"):
        options["movflags"] = "+faststart"
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(av.open(str(video.path)))
        first = stack.enter_context(av.open(str(segments[0])))
        part = stack.enter_context(_replacing(target))
        container = stack.enter_context(
            av.open(str(part), "w", format=FORMATS[suffix], options=options)
        )
        container.metadata.update(source.metadata)
        stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = video.unit
        stream.codec_context.framerate = video.rate
        sounds = {
            sound.index: container.add_stream_from_template(sound)
            for sound in source.streams.audio
        }
        packets = _frame_packets(segments, stream), _sound_packets(source, sounds)
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            container.mux(packet)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """`files.beside`, with the errors of ffmpeg as `UserError`."""
    with files.beside(path) as part:
        try:
            yield part
        except FFmpegError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _frame_packets(
    segments: list[Path], stream: av.VideoStream
) -> Iterator[tuple[float, av.Packet]]:
    """(seconds, packet) of all segments."""
    for path in segments:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.dts is not None:
                    yield float(packet.dts * packet.time_base), _move(packet, stream)


def _sound_packets(
    source: InputContainer, sounds: dict[int, av.AudioStream]
) -> Iterator[tuple[float, av.Packet]]:
    """(seconds, packet) of all sound that can be read."""
    if not sounds:
        return
    try:
        for packet in source.demux(source.streams.audio):
            if packet.dts is not None:
                seconds = float(packet.dts * packet.time_base)
                yield seconds, _move(packet, sounds[packet.stream.index])
    except FFmpegError:
        return  # the frames break off at the same place, and `Video` reports that


def _move(packet: av.Packet, stream: Stream) -> av.Packet:
    packet.stream = stream
    return packet


def _pixel_format(video: Video) -> str:
    form = "yuv420p" if is_subsampled(video) else "yuv444p"
    return form if video.coding.depth == 8 else f"{form}10le"


def _to_av(colored: ColoredFrame, video: Video) -> av.VideoFrame:
    height, width = video.size
    frame = av.VideoFrame(width, height, _pixel_format(video))
    planes = (colored.frame.luma, *colored.chroma)
    for plane, levels in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(plane), levels.dtype)
        rows = rows.reshape(len(levels), -1).copy()
        rows[:, : levels.shape[1]] = levels
        plane.update(rows.tobytes())
    frame.pts, frame.time_base = colored.frame.time, video.unit
    frame.duration = colored.frame.duration
    frame.colorspace, frame.color_range = video.tags.matrix, video.tags.range
    frame.color_primaries, frame.color_trc = video.tags.primaries, video.tags.transfer
    return frame
