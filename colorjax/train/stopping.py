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
        self._received: list[int] = []
        self._first = 0.0  # when the first signal came
        self._stepped, self._interruptible = False, False

    @property
    def exit_code(self) -> int:
        """The exit code of a process that the signal has ended."""
        return 128 + (self._received or [signal.SIGTERM])[0]

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
        return bool(self._received)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that a signal ends early; the block is then left without an error."""
        self._interruptible = True
        try:
            yield
        except KeyboardInterrupt:
            if not self._received:
                raise
        finally:
            self._interruptible = False

    def _handle(self, *_: object) -> None:
        if self._interruptible:
            raise KeyboardInterrupt

    def _read(self) -> None:
        while True:
            for number in os.read(self._pipe, 1):
                if number not in (signal.SIGINT, signal.SIGTERM):
                    continue
                now = time.monotonic()
                if self._received and now - self._first < REPEATED:
                    continue
                if not self._stepped or (number == signal.SIGINT and self._received):
                    report("ended")
                    os._exit(128 + number)
                self._received.append(number)
                self._first = now
                report("stopping after this step; Ctrl-C again ends the run now")
