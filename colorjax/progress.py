"""What a person sees of long work: `Progress`, `tracked`, `warn`."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

EVERY = (
    10.0  # seconds between progress lines where there is no terminal, and log writes
)


class Progress:
    """One line that says how far the work is and how long it will still take."""

    def __init__(self, label: str, total: int, start: int = 0):
        self.label, self.total, self.start = label, total, start
        self.began, self.shown = time.monotonic(), -EVERY
        self.terminal = sys.stderr.isatty()

    def update(self, done: int, text: str = "") -> None:
        """Show that `done` of the total are done; the last call, done = total, ends
        it."""
        now, last = time.monotonic(), done >= self.total
        if now - self.shown < (0.1 if self.terminal else EVERY) and not last:
            return
        self.shown = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        left = (self.total - done) / rate if rate else 0.0
        line = f"{self.label} {done}/{self.total}  {text}  {_clock(left)} left"
        if self.terminal:
            print(
                f"\r\033[K{line}", end="\n" if last else "", file=sys.stderr, flush=True
            )
        else:
            print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    )


def warn(text: str) -> None:
    """A line of its own, also where a progress line stands."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}warning: {text}", file=sys.stderr, flush=True)


def tracked(items: Iterable[Any], label: str, total: int) -> Iterator[Any]:
    """Hand `items` on with a progress line."""
    progress = Progress(label, total)
    for done, item in enumerate(items, start=1):
        yield item
        progress.update(done)
