"""What a person sees and keeps of long work: `Progress`, `TrainingLogger`, `warn`,
`table`."""

import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
from etils import epath

from colorjax.files import write_bytes
from colorjax.progress import EVERY, Progress, warn
from colorjax.train.monitor import WINDOW, discriminator_warnings


class TrainingLogger:
    """`log.jsonl`, a line a logged step, the progress line of training, and warnings of
    what the log shows (`colorjax.health.discriminator_warnings`).

    The first steps are all logged, later ones now and then, so that no run has many
    more lines than `LINES`. The log is kept whole in memory and rewritten, because
    object stores cannot append; a resumed run drops what the steps that it lost had
    logged. What is not finite is null. `figures` are the last that were fetched, of
    `step`.
    """

    ALL, EVERY = 100, 20  # steps that are all fetched; then one in so many
    LINES = 2000

    def __init__(
        self, path: epath.PathLike, start: int, steps: int, batch: int, started: float
    ):
        """`started` is the `time.monotonic()` at which the command began."""
        self.path = epath.Path(path)
        self.start, self.steps, self.batch, self.started = start, steps, batch, started
        self.lines: list[str] = []
        if self.path.exists():
            lines = self.path.read_text().splitlines()
            self.lines = [line for line in lines if json.loads(line)["step"] <= start]
        self.spacing = self.EVERY * max(1, math.ceil(steps / self.EVERY / self.LINES))
        self.step, self.figures = start, {}
        self.told = self._wrong()
        self.progress = Progress("step", steps, start)
        self.written = time.monotonic()
        self.rate = ""  # the last one measured, as text
        self.late: tuple[int, Mapping[str, Any]] | None = None
        self.waited = 0.0  # seconds in all
        self.pause()

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Hand `batches` on, noting how long the loop waits for them."""
        batches = iter(batches)
        while True:
            begun = time.monotonic()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.waited += time.monotonic() - begun
            yield batch

    def add(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Note a step's scalars on the device; those of the step before are fetched."""
        self._fetch()
        if step <= self.ALL or step % self.EVERY == 0 or step == self.steps:
            self.late = (step, scalars)

    def _fetch(self, timed: bool = True) -> None:
        if self.late is None:
            return
        (step, scalars), self.late = self.late, None
        self.step = step
        self.figures = {key: float(value) for key, value in scalars.items()}
        now = time.monotonic()
        taken = waiting = None  # seconds a step
        if self.clock is not None and timed:
            steps = step - self.clock[0]
            taken = (now - self.clock[1]) / steps
            waiting = (self.waited - self.clock[2]) / steps
            speed = self.batch / taken
            self.rate = f"{1e3 * taken:.0f} ms a step  {speed:.0f} images/s"
            if waiting > 0.1 * taken:
                self.rate += f"  {waiting / taken:.0%} waiting for pictures"
        elif step == self.start + 1:
            print(f"first step after {now - self.started:.1f} s", file=sys.stderr)
        self.clock = (step, now, self.waited)
        if step <= self.ALL or step % self.spacing == 0 or step == self.steps:
            self.lines.append(self._line(step, taken, waiting, now))
            self._warn()
        loss, skipped = self.figures["loss"], self.figures["skipped"]
        text = f"loss {loss:.4f}  " + (f"{skipped:.0f} skipped  " if skipped else "")
        self.progress.update(step, text + self.rate)
        if now - self.written > EVERY:
            self._write()

    def _line(self, step, taken, waiting, now):
        figures = {k: x if math.isfinite(x) else None for k, x in self.figures.items()}
        line = {
            "step": step,
            **figures,
            "step_seconds": taken,
            "waiting_seconds": waiting,
            "images_per_second": taken and self.batch / taken,
            "seconds": now - self.started,
        }
        return json.dumps(line)

    def _wrong(self) -> dict[str, str]:
        return discriminator_warnings(
            [json.loads(line) for line in self.lines[-WINDOW:]]
        )

    def _warn(self) -> None:
        """Tell what is wrong, once, until it has been well meanwhile."""
        wrong = self._wrong()
        for name in wrong.keys() - self.told.keys():
            warn(wrong[name])
        self.told = wrong

    def pause(self) -> None:
        """What passes until the next step is added is no training time."""
        self.clock: tuple[int, float, float] | None = None

    def flush(self) -> None:
        """Write the file with everything added so far."""
        self._fetch(timed=False)  # right after the fetch of the step before
        self._write()

    def _write(self) -> None:
        if jax.process_index() == 0:
            write_bytes(self.path, "".join(f"{x}\n" for x in self.lines).encode())
        self.written = time.monotonic()
