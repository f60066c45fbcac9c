"""Films written in segments and joined with the sound of another: `encode`, `join`,
`check_target`.

Segments are files of their own, so that a film that was not finished can be gone on
with. They are in NUT, which keeps any time base, and without pictures that wait for
later ones, so that they can be put one behind another as they are.
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
from av.error import FFmpegError

from colorjax import files
from colorjax.apps.video.reader import Film, Picture, sounds
from colorjax.apps.video.ycbcr import Planes
from colorjax.errors import UserError

CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
FORMATS = {".mkv": "matroska"}  # where the suffix is not the name
OPTIONS = {
    "libx264": {"preset": "medium", "bf": "0"},
    "libvpx-vp9": {"b:v": "0", "row-mt": "1", "cpu-used": "3"},
}
LOSSLESS = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}


class ColoredFrame(NamedTuple):
    """A picture and the planes of its colours."""

    picture: Picture
    chroma: Planes


def is_halved(film: Film) -> bool:
    """Whether colours have half the height and width, as most films have: where both
    are even."""
    return not any(n % 2 for n in film.size)


def check_target(film: Film, target: Path) -> None:
    """Raise `UserError` where a file of this kind cannot hold the film."""
    suffix = target.suffix.lower()
    if suffix not in CODECS:
        raise UserError(
            f"{target}: cannot write '{suffix}' films; use {', '.join(CODECS)}"
        )
    with av.open(str(film.path)) as source:
        for sound in sounds(source):
            try:
                _try(source, sound, FORMATS.get(suffix, suffix[1:]))
            except (FFmpegError, ValueError) as error:
                raise UserError(
                    f"{target}: {suffix} files cannot hold sound of the kind "
                    f"{sound.codec_context.name}; give another --out, .mkv holds any"
                ) from error


def _try(source, sound, name: str) -> None:
    """Write the beginning of a sound; some formats object to its packets only."""
    with av.open(io.BytesIO(), "w", format=name) as trial:
        stream = trial.add_stream_from_template(sound)
        trial.start_encoding()
        source.seek(0)
        for packet in itertools.islice(source.demux(sound), 2):
            if packet.dts is not None:
                packet.stream = stream
                trial.mux(packet)


def encode(
    path: Path, film: Film, pictures: Iterable[ColoredFrame], kind: str, crf: int
):
    """Write a segment of pictures, for a film of the suffix `kind`; a `crf` of 0 is
    lossless."""
    codec = CODECS[kind]
    with _beside(path) as part, av.open(str(part), "w", format="nut") as container:
        options = OPTIONS[codec] | ({"crf": str(crf)} if crf else LOSSLESS[codec])
        stream = container.add_stream(codec, rate=film.rate, options=options)
        context = stream.codec_context
        context.height, context.width = film.size
        context.pix_fmt = _format(film)
        context.time_base = stream.time_base = film.unit
        context.sample_aspect_ratio = film.aspect
        context.colorspace, context.color_primaries = (
            film.tags.matrix,
            film.tags.primaries,
        )
        context.color_trc, context.color_range = film.tags.transfer, film.tags.range
        durations = {}
        for coloured in pictures:
            durations[coloured.picture.time] = coloured.picture.duration
            for packet in stream.encode(_frame(coloured, film)):
                _mux(container, packet, durations)
        for packet in stream.encode():
            _mux(container, packet, durations)


def _mux(container, packet, durations):
    packet.duration = durations[packet.pts]
    container.mux(packet)


def join(target: Path, film: Film, segments: list[Path]) -> None:
    """Write the film: pictures of the segments, sound of the source, beside, then
    renamed."""
    suffix = target.suffix.lower()
    options = {"fflags": "+bitexact"}  # no date, no random number
    if suffix in (".mp4", ".mov"):
        options["movflags"] = "+faststart"
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(av.open(str(film.path)))
        first = stack.enter_context(av.open(str(segments[0])))
        part = stack.enter_context(_beside(target))
        kind = FORMATS.get(suffix, suffix[1:])
        container = av.open(str(part), "w", format=kind, options=options)
        stack.enter_context(container)
        container.metadata.update(source.metadata)
        video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = film.unit
        video.codec_context.framerate = film.rate
        copies = {
            s.index: container.add_stream_from_template(s) for s in sounds(source)
        }
        moving, heard = _packets(segments, video), _sound(source, copies)
        for _, packet in heapq.merge(moving, heard, key=lambda item: item[0]):
            container.mux(packet)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """`files.beside`, for what ffmpeg writes."""
    with files.beside(path) as part:
        try:
            yield part
        except FFmpegError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _packets(segments, stream) -> Iterator:
    """(seconds, packet) of all segments."""
    for path in segments:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.dts is not None:
                    at = float(packet.dts * packet.time_base)
                    packet.stream = stream
                    yield at, packet


def _sound(source, copies) -> Iterator:
    """(seconds, packet) of all sound that can be read."""
    if not copies:
        return
    try:
        for packet in source.demux(sounds(source)):
            if packet.dts is not None:
                at = float(packet.dts * packet.time_base)
                packet.stream = copies[packet.stream.index]
                yield at, packet
    except FFmpegError:
        return  # it breaks off, as the pictures do, of which that is said


def _format(film):
    return ("yuv420p" if is_halved(film) else "yuv444p") + (
        "" if film.coding.depth == 8 else "10le"
    )


def _frame(coloured, film):
    height, width = film.size
    frame = av.VideoFrame(width, height, _format(film))
    for plane, levels in zip(
        frame.planes, (coloured.picture.luma, *coloured.chroma), strict=True
    ):
        rows = np.frombuffer(plane, levels.dtype).reshape(len(levels), -1)
        rows = rows.copy()
        rows[:, : levels.shape[1]] = levels
        plane.update(rows.tobytes())
    frame.pts, frame.time_base = coloured.picture.time, film.unit
    frame.duration = coloured.picture.duration
    frame.colorspace, frame.color_range = film.tags.matrix, film.tags.range
    frame.color_primaries, frame.color_trc = film.tags.primaries, film.tags.transfer
    return frame
