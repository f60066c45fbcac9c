"""Grain's worker processes: `exit_with_parent`, `report_killed_workers`."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator

from colorjax.errors import UserError


def exit_with_parent(worker: int, workers: int) -> None:
    """Have this worker process end when its parent does, killed or not.

    Grain's go on for ever without it, with the memory that they share.
    """
    del worker, workers

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def report_killed_workers() -> Iterator[None]:
    """Tell in one line of a worker process that was killed."""
    try:
        yield
    except RuntimeError as error:
        if "Worker process" not in str(error):
            raise
        reason = str(error).partition(". ")[0]
        raise UserError(
            f"data.workers: {reason[0].lower()}{reason[1:]}; -9 is mostly the system's "
            "doing, where memory is short; the same command goes on from the last "
            "checkpoint, with fewer workers if need be"
        ) from error
