"""Grain's worker processes: `number`, `exit_with_parent`, `report_killed_workers`."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator

from colorjax.errors import UserError

number = 0  # of this worker; 0 also where there are none


def exit_with_parent(worker: int, workers: int) -> None:
    """Make this worker exit when its parent exits or is killed, and ignore Ctrl-C.

    Grain's workers would go on forever and keep the memory that they share. Grain calls
    this in each worker with its number, which is stored in `number`, and the number of
    all.
    """
    global number
    del workers
    number = worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends them
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker process has one

    def wait():
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def report_killed_workers() -> Iterator[None]:
    """Turn Grain's error about a killed worker process into a `UserError`."""
    try:
        yield
    except RuntimeError as error:
        if "Worker process" not in str(error):
            raise
        reason = str(error).partition(". ")[0]
        raise UserError(
            f"data.workers: {reason[0].lower()}{reason[1:]}; -9 usually means that the "
            "system had too little memory; the same command resumes from the last "
            "checkpoint, with fewer workers if necessary"
        ) from error
