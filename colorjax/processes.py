"""Processes that train as one: `join` them, and `ending_together`."""

import contextlib
import os
import threading
from collections.abc import Iterator

import jax

from colorjax.errors import UserError

HEARTBEAT = 90  # seconds without a sign of life after which a process counts as lost
PATIENCE = 10  # seconds that a process which failed waits for the others to end too


def join(
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
) -> None:
    """Meet the other processes, where flags say that there are any.

    TPU pods and clusters know what is None. Raises `UserError` where flags are missing.
    """
    if not (distributed or coordinator):
        if (processes, process) != (None, None):
            raise UserError("--processes and --process need --coordinator=HOST:PORT")
        return
    try:
        jax.distributed.initialize(
            coordinator, processes, process, heartbeat_timeout_seconds=HEARTBEAT
        )
    except ValueError as error:
        raise UserError(
            f"the processes cannot find each other ({str(error).rstrip('.')}); give "
            "--coordinator=HOST:PORT --processes=N --process=I"
        ) from error


def lost(error: jax.errors.JaxRuntimeError) -> str:
    """What to tell where a collective failed in one of several processes."""
    reason = next(iter(str(error).splitlines()), "")
    return (
        f"another process was lost ({reason}); started again on every host, the same "
        "command goes on from the last checkpoint"
    )


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Where the code within fails in one of several processes, all of them end.

    On leaving Python, JAX waits five minutes for the others, who may themselves be
    waiting for this one's part of a sum. After `PATIENCE` it is gone, and they notice.
    """
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, SystemExit) else 1
        if code and jax.distributed.is_initialized():
            timer = threading.Timer(PATIENCE, os._exit, [code])
            timer.daemon = True  # else Python would wait for it
            timer.start()
        raise
