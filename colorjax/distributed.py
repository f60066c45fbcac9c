"""Processes and devices that train as one: `initialize`, `exit_together`, `make_mesh`,
shardings, `shard_batch`."""

import contextlib
import os
import threading
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from colorjax.errors import UserError

HEARTBEAT = 90  # seconds without a sign of life after which a process counts as lost
PATIENCE = 10  # seconds that a process which failed waits for the others to end too


def initialize(
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


def lost_process_message(error: jax.errors.JaxRuntimeError) -> str:
    """What to tell where a collective failed in one of several processes."""
    reason = next(iter(str(error).splitlines()), "")
    return (
        f"another process was lost ({reason}); started again on every host, the same "
        "command goes on from the last checkpoint"
    )


@contextlib.contextmanager
def exit_together() -> Iterator[None]:
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


def make_mesh() -> Mesh:
    """All devices of all hosts on one axis, "data"."""
    # The default axis type, Explicit, would refuse Dropout, gather and scatter.
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def check_batch_size(batch: int, mesh: Mesh, parts: int = 1) -> None:
    """Raise `UserError` unless the devices of `mesh` divide a global batch, each of the
    `parts` in which its gradient is taken."""
    if parts < 1:
        raise UserError(f"config.step.accumulate is {parts}, less than 1")
    whole = mesh.size * parts
    if batch % whole:
        fitting = -(-batch // whole) * whole
        among = f" in {parts} parts (step.accumulate)" if parts > 1 else ""
        raise UserError(
            f"batch {batch} cannot be divided among {mesh.size} devices{among}; set "
            f"batch to a multiple of {whole}, for example {fitting}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of the state: the same on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def shard_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """Put this process's part of a global batch on its devices, still as uint8."""
    return {
        key: jax.make_array_from_process_local_data(batch_sharding(mesh), value)
        for key, value in batch.items()
    }
