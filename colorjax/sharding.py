"""Arrays over devices: `make_mesh`, shardings, `to_devices`."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from colorjax.errors import UserError


def make_mesh() -> Mesh:
    """All devices of all hosts on one axis, "data"."""
    # The default axis type, Explicit, would refuse Dropout, gather and scatter.
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def check_divides(batch: int, mesh: Mesh, parts: int = 1) -> None:
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


def split_by_example(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def to_devices(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """Put this process's part of a global batch on its devices, still as uint8."""
    return {
        key: jax.make_array_from_process_local_data(split_by_example(mesh), value)
        for key, value in batch.items()
    }
