"""Continuous timestamps for the packets of a container: `Clock`.

Captures and recordings start at any time, and the clock of joined recordings jumps.
Like players, `Clock` starts at 0 and closes the jumps. All streams shift alike, so that
sound and frames keep their distance.
"""

from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags

BACKWARD = Fraction(1, 2)  # seconds; larger steps back are jumps
# Limits for formats whose clock may jump, such as MPEG's: those of ffmpeg.
SHORT_BACKWARD, FORWARD = Fraction(1, 10), 10
SILENCE = 1  # seconds


class Clock:
    """Shifts the packets of one container, which must come in the order of the file.

    `jumps` counts the jumps so far.
    """

    def __init__(self, container: InputContainer):
        start = Fraction(container.start_time or 0, av.time_base)
        self.offsets = [-start]  # seconds, one for each part between jumps
        self.may_jump = bool(container.format.flags & Flags.ts_discont.value)
        self.part: dict[int, int] = {}  # of each stream
        self.end: dict[int, Fraction] = {}  # of the last packet of each stream

    @property
    def jumps(self) -> int:
        """How many jumps were closed."""
        return len(self.offsets) - 1

    def shift(self, packet: av.Packet) -> None:
        """Shift the timestamps of a packet in place."""
        stream, unit = packet.stream_index, packet.time_base
        if packet.dts is not None and packet.stream.type in ("video", "audio"):
            self._follow(stream, packet.dts * unit, (packet.duration or 0) * unit)
        offset = round(self.offsets[self.part.get(stream, self.jumps)] / unit)
        if packet.dts is not None:
            packet.dts += offset
        if packet.pts is not None:
            packet.pts += offset

    def _follow(self, stream: int, stamp: Fraction, duration: Fraction) -> None:
        """Decide which part of the file a packet belongs to, or begin a new part."""
        part, expected = self.part.get(stream, self.jumps), self.end.get(stream)
        if expected is not None:
            latest = max(self.end.values())
            earliest = expected - (SHORT_BACKWARD if self.may_jump else BACKWARD)
            # Near a jump, streams enter the next part one after another.
            times = {i: stamp + self.offsets[i] for i in range(part, self.jumps + 1)}
            plausible = [
                i
                for i, time in times.items()
                if time >= earliest and not (self.may_jump and time > latest + FORWARD)
            ]
            if plausible:
                part = min(plausible, key=lambda i: abs(times[i] - expected))
            else:
                # A stream that has been silent for long does not say where to go on.
                self.offsets.append(max(expected, latest - SILENCE) - stamp)
                part = self.jumps
        self.part[stream] = part
        self.end[stream] = stamp + self.offsets[part] + duration
