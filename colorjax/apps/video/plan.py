"""Which streams of a source the target can hold: `plan`, `Plan`."""

import io
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.audio import AudioStream
from av.error import FFmpegError
from av.stream import Discard, Stream

from colorjax.apps.video.reader import Video, is_cover, open_container, video_stream
from colorjax.errors import UserError

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
ENCODERS = {".mp4": "aac", ".mov": "aac", ".mkv": "aac", ".webm": "libopus"}


@dataclass
class Plan:
    """What happens to the streams of a source, by index.

    `encoder` encodes the sound that is not copied; `rewritten` are subtitles of MPEG-4
    that become SubRip. `through_tee`: PyAV refuses one
    of them, ffmpeg's tee muxer does not. `losses` describes the streams that the target
    cannot hold.
    """

    encoder: str
    copied: list[int] = field(default_factory=list)
    encoded: list[int] = field(default_factory=list)
    attached: list[int] = field(default_factory=list)
    rewritten: list[int] = field(default_factory=list)
    through_tee: bool = False
    losses: list[str] = field(default_factory=list)


def plan(video: Video, target: Path, audio: str) -> Plan:
    """Decide about each stream; `audio` is "copy", "encode" or "none".

    Raises `UserError` if the sound is to be copied and the target cannot hold it.
    """
    suffix = target.suffix.lower()
    result = Plan(ENCODERS[suffix])
    with open_container(video.path) as source:
        frames = video_stream(source, video.path)
        for stream in source.streams:
            if isinstance(stream, AudioStream):
                if not stream.rate and audio != "none":  # declared, without packets
                    result.losses.append(f"{_describe(stream)}, whose rate is unknown")
                elif audio == "encode":
                    result.encoded.append(stream.index)
                elif audio == "copy":
                    result.copied.append(stream.index)
                    held = _holds(video.path, stream, FORMATS[suffix])
                    result.through_tee |= not held
                    if not held and suffix != ".mkv":
                        raise _unheld_sound(target, stream)
            elif suffix == ".mkv" and (stream.type == "attachment" or is_cover(stream)):
                result.attached.append(stream.index)
            elif suffix == ".mkv" and _is_mov_text(stream):
                result.rewritten.append(stream.index)
            elif (
                stream.type == "subtitle" or (is_cover(stream) and suffix == ".mp4")
            ) and _holds(video.path, stream, FORMATS[suffix]):
                result.copied.append(stream.index)
            elif stream.index != frames.index and not _is_implied(stream):
                result.losses.append(_describe(stream))
    return result


def _holds(path: Path, stream: Stream, format: str) -> bool:
    """Whether PyAV can copy a stream. Some formats object to its packets only."""
    try:
        with (
            open_container(path) as source,
            av.open(io.BytesIO(), "w", format=format) as trial,
        ):
            original = source.streams[stream.index]
            copy = trial.add_stream_from_template(original)
            copy.disposition = original.disposition
            trial.start_encoding()
            count = 0 if stream.type == "subtitle" else 2  # those may come late
            for packet in itertools.islice(source.demux(original), count):
                if packet.dts is not None:
                    packet.stream = copy
                    trial.mux(packet)
    except (FFmpegError, ValueError):
        return False
    return True


def _unheld_sound(target: Path, stream: Stream) -> UserError:
    return UserError(
        f"{target}: {target.suffix} files cannot hold {_describe(stream)}; use --audio "
        "encode, --audio none, or a file .mkv"
    )


def _is_mov_text(stream: Stream) -> bool:
    return stream.type == "subtitle" and stream.codec_context.name == "mov_text"


def _is_implied(stream: Stream) -> bool:
    """Whether the muxer itself writes such a stream: a timecode, or chapters."""
    return "timecode" in stream.metadata or stream.discard == Discard.all


def _describe(stream: Stream) -> str:
    codec = stream.codec_context.name if stream.codec_context else ""
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    names = (stream.metadata.get(key) for key in ("language", "title", "filename"))
    words = ", ".join(filter(None, [codec, *names]))
    return f"{kind} ({words})" if words else kind
