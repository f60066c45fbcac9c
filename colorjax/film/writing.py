"""Films written in segments and joined with the sound of another: `encode`, `join`,
`check_target`.

Segments are files of their own, so that a film that was not finished can be gone on
with. They are in NUT, which keeps any time base, and without pictures that wait for
later ones, so that they can be put one behind another as they are.
"""

import heapq
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from colorjax.chroma import Planes
from colorjax.errors import UserError
from colorjax.film.reading import Film, Picture, sounds

CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
OPTIONS = {
    "libx264": {"preset": "medium", "bf": "0"},
    "libvpx-vp9": {"b:v": "0", "row-mt": "1", "cpu-used": "3"},
}


class Coloured(NamedTuple):
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
            name = "matroska" if suffix == ".mkv" else suffix[1:]
            try:
                with av.open(io.BytesIO(), "w", format=name) as trial:
                    trial.add_stream_from_template(sound)
                    trial.start_encoding()
            except (FFmpegError, ValueError) as error:
                raise UserError(
                    f"{target}: {suffix} files cannot hold sound of the kind "
                    f"{sound.codec_context.name}; give another --out, .mkv holds any"
                ) from error


def encode(path: Path, film: Film, pictures: Iterable[Coloured], kind: str, crf: int):
    """Write a segment of pictures, for a film of the suffix `kind`; 0 is the best
    `crf`, and lossless for .mp4, .mov and .mkv of 8 bits."""
    part = path.with_suffix(".part")
    codec = CODECS[kind]
    with av.open(str(part), "w", format="nut") as container:
        options = OPTIONS[codec] | {"crf": str(crf)}
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
    part.replace(path)


def _mux(container, packet, durations):
    packet.duration = durations[packet.pts]
    container.mux(packet)


def join(target: Path, film: Film, segments: list[Path]) -> None:
    """Write the film: pictures of the segments, sound of the source, beside, then
    renamed."""
    part = target.with_name(f".{target.name}.part{target.suffix}")
    options = {"movflags": "+faststart"} if target.suffix in (".mp4", ".mov") else {}
    with av.open(str(film.path)) as source, av.open(str(segments[0])) as first:
        with av.open(str(part), "w", options=options) as container:
            container.metadata.update(source.metadata)
            video = container.add_stream_from_template(first.streams.video[0])
            video.time_base = film.unit
            copies = {
                s.index: container.add_stream_from_template(s) for s in sounds(source)
            }
            moving = _packets(segments, video)
            heard = _sound(source, copies)
            for _, packet in heapq.merge(moving, heard, key=lambda item: item[0]):
                container.mux(packet)
    part.replace(target)


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
