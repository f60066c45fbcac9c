"""What ffmpeg reads, picture by picture: `open_film`, `Film`, `Picture`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from colorjax.apps.video.ycbcr import Coding, Luma
from colorjax.errors import UserError

WEIGHTS = {  # of red and blue in luma, by the number of the matrix in ITU-T H.273
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
BT709, BT601, UNSPECIFIED = 1, 6, 2
HIGH = 720  # lines from which a film that does not say is taken for BT.709
FULL = 2  # the number of the full range
STILL = {"tty", "image2"}  # what ffmpeg takes texts and single pictures for
MISSING = 0.5  # seconds by which a film may be shorter than it says


class Tags(NamedTuple):
    """What a film says of its colours: numbers of ITU-T H.273, and the range's."""

    matrix: int
    primaries: int
    transfer: int
    range: int


class Picture(NamedTuple):
    """A picture, upright: its luma, and when it is shown, for how long, in units of the
    film's time base."""

    luma: Luma
    time: int
    duration: int


@dataclass
class Film:
    """A film to be read: what is known of it at its start.

    `size` is (height, width) of the upright picture, `aspect` the width of a pixel over
    its height, `turns` the quarters of a circle to the left that make it upright,
    `form` ffmpeg's name of how pixels lie, `unit` the time base in seconds, `rate`
    pictures a second, `count` how many there should be. `problems` fills while
    `pictures` go by.
    """

    path: Path
    size: tuple[int, int]
    aspect: Fraction
    turns: int
    form: str
    coding: Coding
    tags: Tags
    unit: Fraction
    rate: Fraction
    seconds: float | None
    count: int
    problems: list[str] = field(default_factory=list)

    def pictures(self) -> Iterator[Picture]:
        """All pictures that can be read, in order of time."""
        usual = max(1, round(1 / (self.rate * self.unit)))
        time, broken, end = None, 0, 0.0
        with _opened(self.path) as container:
            stream = _video(container, self.path)
            stream.thread_type = "AUTO"
            start = stream.start_time or 0
            for frame in self._frames(container.demux(stream)):
                if frame is None:
                    broken += 1
                    continue
                least = start if time is None else time + 1
                given = frame.pts if frame.pts is not None else least - 1 + usual
                time = given if time is None else max(given, least)
                duration = frame.duration or usual
                end = float((time - start + duration) * self.unit)
                yield Picture(self._upright(frame), time, duration)
        if broken:
            self.problems.append(f"{broken} of its packets could not be decoded")
        if self.seconds is not None and end < self.seconds - MISSING:
            self.problems.append(
                f"it ends after {end:.1f} of the {self.seconds:.1f} s that it announces"
            )

    def _frames(self, packets):
        """Decoded frames; None for what cannot be decoded."""
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends within a packet, or is no more of one
                self.problems.append("it breaks off")
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except FFmpegError:
                yield None

    def _upright(self, frame):
        return np.ascontiguousarray(np.rot90(_luma(frame, self), self.turns))


def open_film(path: Path) -> Film:
    """What a film file is. Raises `UserError`, naming it, where it is none."""
    with _opened(path) as container:
        stream = _video(container, path)
        frame = None
        try:
            frame = next(container.decode(stream), None)
        except FFmpegError as error:
            raise UserError(
                f"{path}: not a readable film ({_reason(error)})"
            ) from error
        if frame is None:
            raise UserError(f"{path}: a film without a picture")
        turns = round(frame.rotation / 90) % 4
        size, aspect = (frame.height, frame.width), stream.sample_aspect_ratio or 1
        if turns % 2:
            size, aspect = size[::-1], 1 / Fraction(aspect)
        tags = _tags(frame)
        depth = 10 if max(c.bits for c in frame.format.components) > 8 else 8
        coding = Coding(WEIGHTS[tags.matrix], depth, tags.range == FULL)
        rate = stream.guessed_rate or stream.average_rate or Fraction(25)
        count = stream.frames or _packets(path)
        return Film(
            path,
            size,
            Fraction(aspect),
            turns,
            frame.format.name,
            coding,
            tags,
            stream.time_base,
            rate,
            _seconds(container, stream),
            count,
        )


def sounds(container) -> list:
    """The streams of sound of an open container."""
    return list(container.streams.audio)


def _opened(path):
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise UserError(f"{path}: not a readable film ({_reason(error)})") from error
    if container.format.name in STILL or container.format.name.endswith("_pipe"):
        container.close()
        raise UserError(f"{path}: not a film; for pictures there is colorjax colorize")
    return container


def _video(container, path):
    """The stream of moving pictures; the cover of a record is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise UserError(f"{path}: no moving pictures in it")


def _reason(error):
    return error.strerror or str(error)


def _tags(frame) -> Tags:
    """A film's tags, with what is usual for those that it does not give."""
    usual = BT709 if frame.height >= HIGH else BT601
    matrix = int(frame.colorspace) if int(frame.colorspace) in WEIGHTS else usual
    given = (int(frame.color_primaries), int(frame.color_trc))
    primaries, transfer = (BT709 if x in (0, UNSPECIFIED) else x for x in given)
    if not _is_planar(frame.format):
        return Tags(matrix, primaries, transfer, 1)
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    return Tags(matrix, primaries, transfer, FULL if full else 1)


def _is_planar(form) -> bool:
    """Whether the first plane is luma in words of 8 or 10 bits as they are written."""
    bits = form.components[0].bits
    return form.name.startswith("yuv") and (
        bits == 8 or (bits == 10 and form.name.endswith("le"))
    )


def _luma(frame, film) -> Luma:
    """The luma of a frame as it lies in the file; what has none is converted."""
    height, width = film.size[::-1] if film.turns % 2 else film.size
    now = (frame.height, frame.width, frame.format.name)
    if now != (height, width, film.form) or not _is_planar(frame.format):
        form = "yuv444p" if film.coding.depth == 8 else "yuv444p10le"
        frame = frame.reformat(
            width, height, form, dst_colorspace=_swscale(film.tags.matrix)
        )
    plane = frame.planes[0]
    kind = np.uint8 if film.coding.depth == 8 else np.uint16
    rows = np.frombuffer(plane, kind).reshape(height, -1)
    return rows[:, :width]


def _swscale(matrix):
    spaces = av.video.reformatter.Colorspace
    return {1: spaces.ITU709, 9: spaces.BT2020}.get(matrix, spaces.ITU601)


def _seconds(container, stream) -> float | None:
    """How long the moving pictures say they are."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if clock := stream.metadata.get("DURATION"):  # of Matroska
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return container.duration / av.time_base if container.duration else None


def _packets(path) -> int:
    """How many packets of pictures there are, which are read for it, not decoded."""
    count = 0
    with _opened(path) as container:
        try:
            for packet in container.demux(_video(container, path)):
                count += packet.size > 0
        except FFmpegError:
            pass
    return count
