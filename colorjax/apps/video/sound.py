"""Encoding sound that is not copied: `SoundEncoder`."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError

BITS = 96_000  # per second and channel
OPUS_RATE, MAX_RATE = 48_000, 96_000  # samples a second
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # for unnamed ones


class SoundEncoder:
    """Decodes the packets of `source` and encodes them for a new stream of `target`."""

    def __init__(self, source: AudioStream, target: OutputContainer, encoder: str):
        rate = OPUS_RATE if encoder == "libopus" else min(source.rate, MAX_RATE)
        channels, layout = source.layout.nb_channels, source.layout.name
        if "channels" in layout:  # their places are unknown
            layout = LAYOUTS.get(channels, "stereo")
        stream = target.add_stream(encoder, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = BITS * channels
        self.stream, self.end = stream, Fraction(-1)

    def encode(self, packet: av.Packet) -> Iterator[av.Packet]:
        """Packets for the target. Damaged packets of the source are left out."""
        try:
            frames = packet.decode()
        except FFmpegError:
            return
        for frame in frames:
            if not isinstance(frame, av.AudioFrame) or frame.pts is None:
                continue
            # The parts of joined recordings may overlap; the encoder needs them not to.
            unit = Fraction(frame.time_base or 1)
            seconds = Fraction(frame.samples, frame.sample_rate)
            if frame.pts * unit < self.end - seconds / 2:
                continue
            frame.pts = max(frame.pts, round(self.end / unit))
            self.end = frame.pts * unit + seconds
            yield from self.stream.encode(frame)

    def finish(self) -> Iterator[av.Packet]:
        """The packets that the encoder still holds."""
        yield from self.stream.encode(None)
