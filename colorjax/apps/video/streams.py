"""Copying what a video has beside its frames: sound, subtitles, attachments, chapters
and tags: `StreamCopier`, `copy_tags`, `lost_tags`."""

from collections import Counter
from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import AttachmentStream, Stream

from colorjax.apps.video.clock import Clock
from colorjax.apps.video.plan import Plan
from colorjax.apps.video.reader import (
    is_cover,
    open_container,
    timed_streams,
    video_stream,
)
from colorjax.apps.video.sound import SoundEncoder

# The beginnings of tags that describe how the source, not the target, is coded.
TECHNICAL = (
    *("bps", "duration", "number_of_", "_statistics_", "encoder", "vendor_id"),
    *("major_brand", "minor_version", "compatible_brands"),
)
# Languages of ISO 639-2 that QuickTime knows by their other code.
QUICKTIME = dict(
    deu="ger", nld="dut", ell="gre", isl="ice", zho="chi", sqi="alb", mkd="mac"
)


class StreamCopier:
    """Brings the planned streams, the chapters and the tags of `source` to `target`,
    to which the video stream, and nothing else, was added."""

    def __init__(
        self, plan: Plan, path: Path, source: InputContainer, target: OutputContainer
    ):
        self.source, self.video = source, video_stream(source, path)
        self.copies: dict[int, Stream] = {}
        self.texts: dict[int, Stream] = {}
        self.encoders: dict[int, SoundEncoder] = {}
        copy_tags(self.video, target.streams.video[0])
        for stream in source.streams:
            if stream.index in plan.copied:
                self.copies[stream.index] = target.add_stream_from_template(stream)
                copy_tags(stream, self.copies[stream.index])
            elif stream.index in plan.encoded and isinstance(stream, AudioStream):
                encoder = SoundEncoder(stream, target, plan.encoder)
                self.encoders[stream.index] = encoder
                copy_tags(stream, encoder.stream)
            elif stream.index in plan.rewritten:
                self.texts[stream.index] = target.add_mux_stream("subrip")
                copy_tags(stream, self.texts[stream.index])
            elif stream.index in plan.attached:
                target.add_attachment(*_attachment(stream, path))
        target.metadata.update(_lasting(source.metadata))
        target.set_chapters(_chapters(source))

    def packets(self) -> Iterator[tuple[float, av.Packet]]:
        """(seconds, packet) of the copied and encoded streams, as far as the source can
        be read."""
        covers = [s for s in self.source.streams.video if is_cover(s)]
        streams = [*timed_streams(self.source, self.video), *covers]
        if not (self.copies or self.texts or self.encoders):
            return
        clock, last = Clock(self.source), dict.fromkeys(self.copies, -(1 << 62))
        try:
            for packet in self.source.demux(streams):
                clock.shift(packet)
                index = packet.stream_index
                if index in self.encoders:
                    yield from _timed(self.encoders[index].encode(packet))
                elif index in self.texts:
                    yield from _timed(_to_subrip(packet, self.texts[index]))
                elif index in self.copies and packet.size:
                    if packet.pts is None:  # of a cover
                        packet.pts = 0
                    # The parts of joined recordings may overlap; dts must increase.
                    dts = packet.pts if packet.dts is None else packet.dts
                    packet.dts = last[index] = max(dts, last[index] + 1)
                    packet.pts = max(packet.pts, packet.dts)
                    seconds = float(packet.dts * packet.time_base)
                    packet.stream = self.copies[index]
                    yield seconds, packet
        except FFmpegError:
            pass  # the frames break off at the same place, and `Video` reports that
        for encoder in self.encoders.values():
            yield from _timed(encoder.finish())


def copy_tags(source: Stream, target: Stream) -> None:
    """Copy the tags of a stream, such as language and title, and its disposition."""
    tags, format = _lasting(source.metadata), target.container.format.name
    if "name" in tags:  # so QuickTime calls a title
        tags["title"] = tags.pop("name")
    if format in ("mp4", "mov") and "title" in tags:
        tags["handler_name"] = tags["title"]
    if format == "mov" and "language" in tags:
        tags["language"] = QUICKTIME.get(tags["language"], tags["language"])
    target.metadata.update(tags)
    target.disposition = source.disposition


def lost_tags(source: Path, target: Path, plan: Plan) -> list[str]:
    """The tags of the file and of the planned streams that `target` does not hold."""
    with open_container(source) as before, open_container(target) as after:
        indices = {video_stream(before, source).index, *plan.copied, *plan.encoded}
        indices |= {*plan.rewritten}
        lost = _tag_names(before, indices)
        lost -= _tag_names(after, range(len(after.streams)), is_target=True)
        names = [f"the {kind} tag {key}" for kind, key in sorted(lost)]
        if len(before.chapters()) > len(after.chapters()):
            names.append("the chapters")
    return names


def _tag_names(
    container: InputContainer, indices: Collection[int], is_target: bool = False
) -> Counter[tuple[str, str]]:
    """(kind of stream, name in lower case) of the tags of a file and its streams."""
    tags = [("file", container.metadata)]
    tags += [(s.type, s.metadata) for s in container.streams if s.index in indices]
    names = Counter((kind, key.lower()) for kind, x in tags for key in _lasting(x))
    for kind in {kind for kind, _ in names}:
        handlers, titles = names.pop((kind, "handler_name"), 0), (kind, "title")
        names[titles] += names.pop((kind, "name"), 0)
        if is_target:  # see `copy_tags`
            names[titles] = max(names[titles], handlers)
    return names


def _lasting(tags: dict[str, str]) -> dict[str, str]:
    """The tags that are as true of the target as of the source."""
    return {
        key: value
        for key, value in tags.items()
        if not key.lower().startswith(TECHNICAL)
        and (key.lower(), value) != ("language", "und")
    }


def _attachment(stream: Stream, path: Path) -> tuple[str, str, bytes]:
    """Name, type and content of an attachment, or of a cover image."""
    if isinstance(stream, AttachmentStream):
        kind = stream.mimetype or "application/octet-stream"
        return stream.name or "unnamed", kind, stream.data or b""
    kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
    with open_container(path) as container:
        image = next(container.demux(container.streams[stream.index]))
    return f"cover.{kind}", f"image/{kind}", bytes(image)


def _to_subrip(packet: av.Packet, stream: Stream) -> Iterator[av.Packet]:
    """A text of MPEG-4 (3GPP TS 26.245), which begins with its length, as SubRip. Its
    styles are left out."""
    data = bytes(packet)
    text = data[2 : 2 + int.from_bytes(data[:2], "big")]
    if text:  # an empty one ends the text before it
        rewritten = av.Packet(text)
        rewritten.pts, rewritten.dts = packet.pts, packet.dts
        rewritten.duration, rewritten.time_base = packet.duration, packet.time_base
        rewritten.stream = stream
        yield rewritten


def _timed(packets: Iterator[av.Packet]) -> Iterator[tuple[float, av.Packet]]:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), packet


def _chapters(source: InputContainer) -> list[Any]:
    """The chapters of a source, with times from its start on."""
    start = Fraction(source.start_time or 0, av.time_base)
    chapters = source.chapters()
    for chapter in chapters:
        shift = round(start / Fraction(chapter["time_base"] or 1))
        chapter["start"] = max(chapter["start"] - shift, 0)
        chapter["end"] = max(chapter["end"] - shift, 0)
    return chapters
