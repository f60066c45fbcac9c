"""Arrays over devices: `make_mesh`, `replicated`, `split_by_example`, `to_devices`."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from colorjax.errors import UserError


def make_mesh(batch: int) -> Mesh:
    """All devices of all hosts on one axis, "data", which must divide `batch`."""
    devices = jax.device_count()
    if batch % devices:
        raise UserError(
            f"batch {batch} cannot be divided among {devices} devices; set batch to a "
            f"multiple of {devices}, for example {-(-batch // devices) * devices}"
        )
    return jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))


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
