"""The log of a training run: `TrainingLogger`."""

import functools
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
from etils import epath

from colorjax.files import write_bytes
from colorjax.progress import EVERY, Progress, report, warn
from colorjax.train.monitor import WINDOW, discriminator_warnings


class TrainingLogger:
    """Writes `log.jsonl`, shows progress, and warns of failing discriminators.

    If tensorboardX is installed, event files in `tensorboard/` have the same metrics.

    Metrics are fetched from the device one step late, so that no step waits. `metrics`
    are the last fetched ones, those of `step`. All of the first 100 steps are logged,
    later ones at intervals, so that a run has about `LINES` lines at most. Numbers that
    are not finite become null. The whole log stays in memory and is rewritten, because
    object stores cannot append. A resumed run drops the lines of steps that it repeats.
    """

    FIRST, SPACING = 100, 20  # fetch each of the first 100 steps, then every 20th
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
        fetched = steps / self.SPACING
        self.spacing = self.SPACING * max(1, math.ceil(fetched / self.LINES))
        self.step: int = start
        self.metrics: dict[str, float] = {}
        self._warnings = self._discriminator_warnings()
        self._progress = Progress("step", steps, start)
        self._written = time.monotonic()
        self._rate = ""  # the last measured one, as text
        self._pending: tuple[int, Mapping[str, Any]] | None = None
        self._waited = 0.0  # seconds that the loop has waited for batches
        self.pause()

    def timed(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield `batches` and measure how long the loop waits for them."""
        batches = iter(batches)
        while True:
            begin = time.monotonic()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._waited += time.monotonic() - begin
            yield batch

    def add(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Take the metrics of a step, scalars on the device, and fetch those of the
        step before."""
        self._fetch()
        if step <= self.FIRST or step % self.SPACING == 0 or step == self.steps:
            self._pending = (step, metrics)

    def pause(self) -> None:
        """Do not count the time until the next step as training time."""
        self._clock: tuple[int, float, float] | None = None

    def flush(self) -> None:
        """Fetch all metrics and write the file."""
        self._fetch(timed=False)  # `add` has just fetched: no step has passed
        self._write()

    def _fetch(self, timed: bool = True) -> None:
        if self._pending is None:
            return
        (step, metrics), self._pending = self._pending, None
        self.step = step
        metrics = jax.device_get(dict(metrics))
        self.metrics = {key: float(value) for key, value in metrics.items()}
        now = time.monotonic()
        step_seconds = waiting_seconds = None
        if self._clock is not None and timed:
            steps = step - self._clock[0]
            step_seconds = (now - self._clock[1]) / steps
            waiting_seconds = (self._waited - self._clock[2]) / steps
            self._rate = self._describe_rate(step_seconds, waiting_seconds)
        elif step == self.start + 1:
            report(f"first step after {now - self.started:.1f} s")
        self._clock = (step, now, self._waited)
        if step <= self.FIRST or step % self.spacing == 0 or step == self.steps:
            self.lines.append(self._line(step, step_seconds, waiting_seconds, now))
            self._warn()
            if self._tensorboard is not None:
                for key, value in self.metrics.items():
                    self._tensorboard.add_scalar(key, value, step)
        texts = [f"loss {self.metrics['loss']:.4f}", self._rate]
        if skipped := self.metrics["skipped"]:
            texts.insert(1, f"{skipped:.0f} skipped")
        self._progress.update(step, ", ".join(filter(None, texts)))
        if now - self._written > EVERY:
            self._write()

    def _describe_rate(self, step_seconds: float, waiting_seconds: float) -> str:
        rate = self.batch / step_seconds
        text = f"{1e3 * step_seconds:.0f} ms a step, {rate:.0f} images/s"
        if waiting_seconds > 0.1 * step_seconds:
            text += f", {waiting_seconds / step_seconds:.0%} waiting for images"
        return text

    def _line(self, step, step_seconds, waiting_seconds, now):
        metrics = {k: x if math.isfinite(x) else None for k, x in self.metrics.items()}
        line = {
            "step": step,
            **metrics,
            "step_seconds": step_seconds,
            "waiting_seconds": waiting_seconds,
            "images_per_second": step_seconds and self.batch / step_seconds,
            "seconds": now - self.started,
        }
        return json.dumps(line)

    def _discriminator_warnings(self) -> dict[str, str]:
        return discriminator_warnings(
            [json.loads(line) for line in self.lines[-WINDOW:]]
        )

    def _warn(self) -> None:
        """Print each warning once, and again only if it was resolved in between."""
        warnings = self._discriminator_warnings()
        for name in warnings.keys() - self._warnings.keys():
            warn(warnings[name])
        self._warnings = warnings

    def _write(self) -> None:
        if jax.process_index() == 0:
            write_bytes(self.path, "".join(f"{x}\n" for x in self.lines).encode())
        if self._tensorboard is not None:
            self._tensorboard.flush()
        self._written = time.monotonic()

    @functools.cached_property
    def _tensorboard(self) -> Any:
        """A writer of TensorBoard's event files; only in process 0.

        It drops events after step `start`, which a resumed run repeats. It is made
        after the first step, because tensorboardX imports torch where that is there.
        """
        if jax.process_index() > 0:
            return None
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            return None
        folder = self.path.parent / "tensorboard"
        return SummaryWriter(str(folder), purge_step=self.start + 1)
