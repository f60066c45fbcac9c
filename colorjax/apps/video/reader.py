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
from av.stream import Disposition, Stream
from jaxtyping import UInt8

from colorjax.apps.video import fields, levels
from colorjax.apps.video.clock import Clock
from colorjax.apps.video.ycbcr import ColorCoding, Luma
from colorjax.errors import UserError

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
    upright. `unit` is the time base, `rate` the frames per second, `announced_end` a
    time in seconds, and `count` the expected number of frames. `field_order` is "top"
    or "bottom", the field shown first, or None for progressive video; with
    `deinterlace`, `frames` makes progressive frames of the fields. Reading `frames`
    appends to `problems`.
    """

    path: Path
    size: tuple[int, int]
    aspect: Fraction
    turns: int
    coding: ColorCoding
    tags: Tags
    unit: Fraction
    rate: Fraction
    announced_end: float | None
    count: int
    field_order: fields.Order | None
    deinterlace: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def is_interlaced(self) -> bool:
        """Whether `frames` are interlaced."""
        return self.field_order is not None and not self.deinterlace

    def grey(self, frame: Frame) -> UInt8[np.ndarray, "h w"]:
        """The levels of a frame that has no color."""
        return np.round(255 * self.coding.to_grey(frame.luma)).astype(np.uint8)

    def frames(self) -> Iterator[Frame]:
        """All frames that can be decoded, in order of time, which starts at 0."""
        usual = max(1, round(1 / (self.rate * self.unit)))
        time, end = -1, 0.0
        with open_container(self.path) as container:
            clock = Clock(container)
            decoded = self._decode(container, clock)
            for frame in fields.deinterlace(decoded) if self.deinterlace else decoded:
                scale = Fraction(frame.time_base or self.unit) / self.unit
                pts = time + usual if frame.pts is None else round(frame.pts * scale)
                time = max(pts, time + 1)
                duration = round(frame.duration * scale) or usual
                end = float((time + duration) * self.unit)
                yield Frame(self._upright_luma(frame), time, duration)
            # Jumps of the clock make the announcement meaningless.
            announced = None if clock.jumps else self.announced_end
        if announced is not None and end < announced - TOLERANCE:
            self.problems.append(
                f"it ends after {end:.1f} of the {announced:.1f} s that it announces"
            )

    def _decode(
        self, container: InputContainer, clock: Clock
    ) -> Iterator[av.VideoFrame]:
        """The frames that can be decoded, with the times of `clock`."""
        video = video_stream(container, self.path)
        video.thread_type = "AUTO"
        packets, damaged = container.demux(timed_streams(container, video)), 0
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends within a packet, or is damaged there
                self.problems.append("it breaks off")
                break
            if packet is None:
                break
            clock.shift(packet)
            if packet.stream_index != video.index:
                continue
            try:
                yield from packet.decode()  # pyright: ignore[reportReturnType]
            except FFmpegError:
                damaged += 1
        if damaged:
            self.problems.append(f"{damaged} of its packets could not be decoded")

    def _upright_luma(self, frame: av.VideoFrame) -> Luma:
        height, width = self.size[::-1] if self.turns % 2 else self.size
        if (frame.height, frame.width) != (height, width):
            frame = frame.reformat(width, height)
        luma = levels.read_luma(frame, self.coding)
        return np.ascontiguousarray(np.rot90(luma, self.turns))


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
        return Video(
            path,
            size,
            aspect,
            turns,
            levels.coding_of(frame),
            _tags(frame),
            stream.time_base or Fraction(1, av.time_base),
            stream.guessed_rate or stream.average_rate or Fraction(25),
            _announced_end(container, stream),
            stream.frames or _count_packets(path),
            fields.order_of(stream, frame),
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
        if not is_cover(stream):
            return stream
    raise UserError(f"{path}: no video stream in it")


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still image, such as the cover of an album."""
    return bool(stream.disposition & Disposition.attached_pic)


def timed_streams(container: InputContainer, video: av.VideoStream) -> list[Stream]:
    """The streams that `Clock` needs to see: the video, its sound and subtitles."""
    return [video, *container.streams.audio, *container.streams.subtitles]


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"{path}: not a readable video ({reason})")


def _tags(frame: av.VideoFrame) -> Tags:
    """The tags of a frame, with the usual values for those that are not set."""
    numbers = (int(frame.color_primaries), int(frame.color_trc))
    primaries, transfer = (
        levels.BT709 if x in (0, 2) else x  # 0 and 2: not specified
        for x in numbers
    )
    full = levels.is_full_range(frame)
    number = levels.FULL_RANGE if full else levels.LIMITED_RANGE
    return Tags(levels.matrix_of(frame), primaries, transfer, number)


def _announced_end(container: InputContainer, stream: av.VideoStream) -> float | None:
    """When the video stream should end, in seconds from the start of the file."""
    start = (container.start_time or 0) / av.time_base
    if stream.duration and stream.time_base:
        return (
            float(((stream.start_time or 0) + stream.duration) * stream.time_base)
            - start
        )
    if clock := stream.metadata.get("DURATION"):  # of Matroska
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds) - start
    if not container.duration:
        return None
    counts_from_0 = "matroska" in container.format.name
    return container.duration / av.time_base - (start if counts_from_0 else 0)


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
