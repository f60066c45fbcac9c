"""Several processes and devices that train one model: `initialize`, `exit_together`,
`make_mesh`, shardings, `shard_batch`."""

import os
import threading
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from colorjax.errors import UserError

HEARTBEAT = 90  # seconds without a heartbeat after which a process counts as lost
PATIENCE = 10  # seconds that a failed process waits for the others to end


def initialize(
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
) -> None:
    """Connect to the other processes if the flags ask for it.

    On TPU pods and clusters JAX finds the values that are None. Raises `UserError` if
    a flag is missing.
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


def exit_together(code: int) -> None:
    """End this process with `code` in `PATIENCE` seconds if it is one of several.

    A failed process calls this. At exit, JAX would wait five minutes for the others,
    which may wait for this one in a collective operation. When this process is gone,
    they fail too. JAX's `shutdown_timeout_seconds` cannot replace the timer: it also
    aborts healthy processes whose ends lie further apart.
    """
    if jax.distributed.is_initialized():
        timer = threading.Timer(PATIENCE, os._exit, [code])
        timer.daemon = True  # otherwise Python would wait for it
        timer.start()


def make_mesh() -> Mesh:
    """A mesh of all devices of all hosts with one axis, "data"."""
    # Dropout, gather and scatter do not support the default axis type, Explicit.
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def check_batch_size(batch: int, mesh: Mesh, parts: int = 1) -> None:
    """Raise `UserError` unless a global batch divides evenly.

    Each of the `parts` over which the gradient is accumulated has the same number of
    images on every device of `mesh`.
    """
    if parts < 1:
        raise UserError(f"config.step.accumulate is {parts}, less than 1")
    whole = mesh.size * parts
    if batch % whole:
        next_multiple = -(-batch // whole) * whole
        in_parts = f" in {parts} parts (step.accumulate)" if parts > 1 else ""
        raise UserError(
            f"batch {batch} cannot be divided among {mesh.size} devices{in_parts}; set "
            f"batch to a multiple of {whole}, for example {next_multiple}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of the state: a full copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def gather(tree: Any, mesh: Mesh) -> Any:
    """The arrays of a tree, each as a full copy on every device."""
    return jax.jit(lambda x: x, out_shardings=replicated(mesh))(tree)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def shard_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """Put this process's part of a global batch on its devices; types stay the same."""
    return {
        key: jax.make_array_from_process_local_data(batch_sharding(mesh), value)
        for key, value in batch.items()
    }


def gather_rows(array: np.ndarray) -> np.ndarray:
    """The rows of the arrays of all processes, process by process.

    The arrays differ at most in their number of rows. Every process must call this.
    """
    if jax.process_count() == 1:
        return array
    counts = multihost_utils.process_allgather(np.array([len(array)], np.int32))
    padded = np.zeros((counts.max(), *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    parts = multihost_utils.process_allgather(padded)
    own = zip(parts, counts.ravel(), strict=True)
    return np.concatenate([part[:count] for part, count in own])
