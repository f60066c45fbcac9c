"""Encoding colorized frames, and joining them with the source's other streams:
`encode`, `join`, `check_target`.

A video is encoded in segments, one file each, so that an interrupted command can
resume. Segments are NUT files, which can hold any time base. They have no B-frames, so
that their packets can follow each other without changes.
"""

import contextlib
import heapq
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError

from colorjax import files
from colorjax.apps.video import fields, webm
from colorjax.apps.video.plan import FORMATS, Plan
from colorjax.apps.video.reader import Frame, Video, open_container
from colorjax.apps.video.streams import StreamCopier
from colorjax.apps.video.ycbcr import Planes
from colorjax.errors import UserError

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
LOSSLESS = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}


class ColoredFrame(NamedTuple):
    """A frame and its chroma planes."""

    frame: Frame
    chroma: Planes


def is_subsampled(video: Video) -> bool:
    """Whether the chroma planes have half the height and width, as in most videos.

    Frames with an odd side have chroma at full size, and so have interlaced frames
    whose fields have an odd height.
    """
    height, width = video.size
    return height % (4 if video.is_interlaced else 2) == 0 and width % 2 == 0


def check_target(target: Path) -> None:
    """Raise `UserError` if files of this type cannot be written."""
    suffix = target.suffix.lower()
    if suffix not in CODECS:
        raise UserError(
            f"{target}: cannot write '{suffix}' videos; use {', '.join(CODECS)}"
        )


def encode(
    path: Path, video: Video, frames: Iterable[ColoredFrame], suffix: str, crf: int
) -> None:
    """Write a segment for a video with `suffix`. A `crf` of 0 is lossless."""
    with _replacing(path) as part, av.open(str(part), "w", format="nut") as container:
        options = _encoder_options(video, CODECS[suffix], crf)
        stream = container.add_stream(CODECS[suffix], rate=video.rate, options=options)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.height, context.width = video.size
        context.pix_fmt = _pixel_format(video)
        context.time_base = stream.time_base = video.unit
        _set_tags(context, video)
        durations: dict[int | None, int] = {}

        def recorded() -> Iterator[av.VideoFrame]:
            for colored in frames:
                durations[colored.frame.time] = colored.frame.duration
                yield _to_av(colored, video)

        pictures = recorded()
        if video.is_interlaced and video.field_order:
            pictures = fields.set_order(pictures, video.field_order)
        for frame in itertools.chain(pictures, [None]):
            for packet in stream.encode(frame):
                packet.duration = durations[packet.pts]
                container.mux(packet)


def _encoder_options(video: Video, codec: str, crf: int) -> dict[str, str]:
    options = OPTIONS[codec] | ({"crf": str(crf)} if crf else LOSSLESS[codec])
    if video.is_interlaced:
        options["x264-params"] = "tff=1" if video.field_order == "top" else "bff=1"
    return options


def _set_tags(context: av.VideoCodecContext, video: Video) -> None:
    """Write down the shape of pixels and the meaning of levels."""
    context.sample_aspect_ratio, tags = video.aspect, video.tags
    context.colorspace, context.color_primaries = tags.matrix, tags.primaries
    context.color_trc, context.color_range = tags.transfer, tags.range


def join(target: Path, video: Video, segments: list[Path], plan: Plan) -> None:
    """Write the frames of the segments and the planned streams of the source.

    The file is written beside the target and then renamed.
    """
    suffix = target.suffix.lower()
    is_patched = suffix == ".webm" and video.aspect != 1
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_container(video.path))
        first = stack.enter_context(av.open(str(segments[0])))
        part = stack.enter_context(_replacing(target))
        container = stack.enter_context(_open(part, suffix, plan, is_patched))
        stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = video.unit
        stream.codec_context.framerate = video.rate
        _set_tags(stream.codec_context, video)
        copier = StreamCopier(plan, video.path, source, container)
        packets = _frame_packets(segments, stream), copier.packets()
        if is_patched:
            title = stream.metadata.get("title", "")
            stream.metadata["title"] = title + webm.FILLER
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            container.mux(packet)
        if is_patched:
            container.close()
            webm.set_aspect(part, video.size, video.aspect)


def _open(path: Path, suffix: str, plan: Plan, is_patched: bool) -> OutputContainer:
    """Open a file for writing. It gets no date and no random number."""
    options, name, kind = {"fflags": "+bitexact"}, str(path), FORMATS[suffix]
    if suffix in (".mp4", ".mov"):
        options["movflags"] = "+faststart"
    if is_patched:
        options["write_crc32"] = "0"  # `webm.set_aspect` changes the header
    if plan.through_tee:
        name, kind = f"[f={kind}]" + re.sub(r"([\\'|\s])", r"\\\1", name), "tee"
    return av.open(name, "w", format=kind, options=options)


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
                    seconds = float(packet.dts * packet.time_base)
                    packet.stream = stream
                    yield seconds, packet


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
