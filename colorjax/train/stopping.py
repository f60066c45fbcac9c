"""Ending a run by a signal, with a checkpoint: `StopSignals`."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

from colorjax.progress import report

REPEATED = 0.5  # seconds in which one Ctrl-C may arrive twice, through a wrapper


class StopSignals:
    """Inside the context, SIGTERM and Ctrl-C ask the run to save and stop.

    A line says so at once. A second Ctrl-C ends the process, and so does any signal
    before the end of the first step, when there is nothing to save. A thread reads the
    signals, because Python runs its handlers only when a call of XLA has returned. Of
    several processes all stop at the same step after SIGTERM.
    """

    def __init__(self):
        self._caught: int | None = None
        self._stepped, self._interruptible = False, False

    @property
    def exit_code(self) -> int:
        """The exit code of a process that the signal has ended."""
        return 128 + (self._caught or signal.SIGTERM)

    def __enter__(self) -> "StopSignals":
        if jax.process_count() > 1:  # JAX has its own handler of SIGTERM
            return self
        self._pipe, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if jax.process_count() == 1:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def requested(self, step: int) -> bool:
        """Whether the run must save and stop after `step`."""
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        self._stepped = True
        return self._caught is not None

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that a signal ends early; the block is then left without an error."""
        self._interruptible = True
        try:
            yield
        except KeyboardInterrupt:
            if self._caught is None:
                raise
        finally:
            self._interruptible = False

    def _handle(self, number: int, _: object) -> None:
        self._caught = self._caught or number
        if self._interruptible:
            raise KeyboardInterrupt

    def _read(self) -> None:
        first = None  # when the first signal came
        while True:
            for number in os.read(self._pipe, 1):
                now = time.monotonic()
                if number not in (signal.SIGINT, signal.SIGTERM):
                    continue
                if first is not None and now - first < REPEATED:
                    continue
                if not self._stepped or (number == signal.SIGINT and first):
                    report("ended")
                    os._exit(128 + number)
                first = first or now
                report("stopping after this step; Ctrl-C again ends the run now")
