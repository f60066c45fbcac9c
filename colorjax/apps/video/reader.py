"""Reading the frames of a video through ffmpeg: `open_video`, `Video`, `Frame`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import Colorspace

from colorjax.apps.video.ycbcr import ColorCoding, Luma
from colorjax.errors import UserError

WEIGHTS = {  # of red and blue in luma, by matrix number of ITU-T H.273
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
BT709, BT601, UNSPECIFIED = 1, 6, 2
HIGH = 720  # lines; untagged videos with as many or more count as BT.709
LIMITED_RANGE, FULL_RANGE = 1, 2
STILL = {"tty", "image2"}  # ffmpeg's formats for texts and for single images
TOLERANCE = 0.5  # seconds by which a video may be shorter than it announces


class Tags(NamedTuple):
    """How a video describes its colors: numbers of ITU-T H.273, and ffmpeg's number of
    the range."""

    matrix: int
    primaries: int
    transfer: int
    range: int


class Frame(NamedTuple):
    """The luma of an upright frame; its time and duration in units of the video's time
    base."""

    luma: Luma
    time: int
    duration: int


@dataclass
class Video:
    """A video that can be read, described by its header and its first frame.

    `size` is (height, width) of an upright frame, `aspect` the width of a pixel divided
    by its height, `turns` the number of quarter turns to the left that make a frame
    upright. `pixel_format` is ffmpeg's name, `unit` the time base in seconds, `rate`
    the frames per second, `seconds` the announced duration, and `count` the expected
    number of frames. Reading `frames` appends to `problems`.
    """

    path: Path
    size: tuple[int, int]
    aspect: Fraction
    turns: int
    pixel_format: str
    coding: ColorCoding
    tags: Tags
    unit: Fraction
    rate: Fraction
    seconds: float | None
    count: int
    problems: list[str] = field(default_factory=list)

    def frames(self) -> Iterator[Frame]:
        """All frames that can be decoded, in order of time."""
        usual = max(1, round(1 / (self.rate * self.unit)))
        time, broken, end = None, 0, 0.0
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "AUTO"
            start = stream.start_time or 0
            for frame in self._decoded(container.demux(stream)):
                if frame is None:
                    broken += 1
                    continue
                earliest = start if time is None else time + 1
                pts = frame.pts if frame.pts is not None else earliest - 1 + usual
                time = pts if time is None else max(pts, earliest)
                duration = frame.duration or usual
                end = float((time - start + duration) * self.unit)
                yield Frame(self._upright_luma(frame), time, duration)
        if broken:
            self.problems.append(f"{broken} of its packets could not be decoded")
        if self.seconds is not None and end < self.seconds - TOLERANCE:
            self.problems.append(
                f"it ends after {end:.1f} of the {self.seconds:.1f} s that it announces"
            )

    def _decoded(self, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame | None]:
        """The decoded frames; None for each packet that cannot be decoded."""
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends within a packet, or is damaged there
                self.problems.append("it breaks off")
                return
            if packet is None:
                return
            try:
                yield from packet.decode()  # pyright: ignore[reportReturnType]
            except FFmpegError:
                yield None

    def _upright_luma(self, frame: av.VideoFrame) -> Luma:
        return np.ascontiguousarray(np.rot90(_luma(frame, self), self.turns))


def open_video(path: Path) -> Video:
    """Read what a video says of itself.

    Raises `UserError`, with the file's name, if it cannot be read as a video.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        try:
            frame = next(container.decode(stream), None)
        except FFmpegError as error:
            raise _unreadable(path, error) from error
        if not isinstance(frame, av.VideoFrame):
            raise UserError(f"{path}: a video without a frame")
        turns = round(frame.rotation / 90) % 4
        size = (frame.height, frame.width)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if turns % 2:
            size, aspect = (frame.width, frame.height), 1 / aspect
        tags = _tags(frame)
        depth = 10 if max(c.bits for c in frame.format.components) > 8 else 8
        full_range = tags.range == FULL_RANGE
        return Video(
            path,
            size,
            aspect,
            turns,
            frame.format.name,
            ColorCoding(WEIGHTS[tags.matrix], depth, full_range),
            tags,
            stream.time_base or Fraction(1, av.time_base),
            stream.guessed_rate or stream.average_rate or Fraction(25),
            _duration(container, stream),
            stream.frames or _count_packets(path),
        )


def open_container(path: Path) -> InputContainer:
    """Open a video file. Raises `UserError` if ffmpeg cannot read it as a video."""
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    if container.format.name in STILL or container.format.name.endswith("_pipe"):
        container.close()
        raise UserError(f"{path}: not a video; colorjax colorize reads images")
    return container


def video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The first video stream that is not the cover of an album."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise UserError(f"{path}: no video stream in it")


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"{path}: not a readable video ({reason})")


def _tags(frame: av.VideoFrame) -> Tags:
    """The tags of a frame, with the usual values for those that are not set."""
    usual = BT709 if frame.height >= HIGH else BT601
    matrix = int(frame.colorspace) if int(frame.colorspace) in WEIGHTS else usual
    numbers = (int(frame.color_primaries), int(frame.color_trc))
    primaries, transfer = (BT709 if x in (0, UNSPECIFIED) else x for x in numbers)
    if not _is_planar(frame.format):
        return Tags(matrix, primaries, transfer, LIMITED_RANGE)
    full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Tags(matrix, primaries, transfer, FULL_RANGE if full else LIMITED_RANGE)


def _is_planar(form: av.VideoFormat) -> bool:
    """Whether the first plane is luma of 8 or 10 bits, as the writer needs it."""
    bits = form.components[0].bits
    return form.name.startswith("yuv") and (
        bits == 8 or (bits == 10 and form.name.endswith("le"))
    )


def _luma(frame: av.VideoFrame, video: Video) -> Luma:
    """The luma of a frame as the file has it; other formats are converted."""
    height, width = video.size[::-1] if video.turns % 2 else video.size
    layout = (frame.height, frame.width, frame.format.name)
    if layout != (height, width, video.pixel_format) or not _is_planar(frame.format):
        form = "yuv444p" if video.coding.depth == 8 else "yuv444p10le"
        frame = frame.reformat(
            width, height, form, dst_colorspace=_swscale_matrix(video.tags.matrix)
        )
    dtype = np.uint8 if video.coding.depth == 8 else np.uint16
    rows = np.frombuffer(memoryview(frame.planes[0]), dtype).reshape(height, -1)
    return rows[:, :width]


def _swscale_matrix(matrix: int) -> Colorspace:
    spaces = {1: Colorspace.ITU709, 9: Colorspace.BT2020}
    return spaces.get(matrix, Colorspace.ITU601)


def _duration(container: InputContainer, stream: av.VideoStream) -> float | None:
    """The announced duration of the video stream, in seconds."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if clock := stream.metadata.get("DURATION"):  # Matroska
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return container.duration / av.time_base if container.duration else None


def _count_packets(path: Path) -> int:
    """The number of video packets, which are read but not decoded."""
    count = 0
    with open_container(path) as container:
        try:
            for packet in container.demux(video_stream(container, path)):
                count += packet.size > 0
        except FFmpegError:
            pass
    return count
