"""Where the arrays of a state lie: whole on every device, or in parts.

With `step.shard` each device holds a part of the params, of the optimizer's moments and
of the averages (fully sharded data parallelism; Rajbhandari et al., "ZeRO", SC 2020).
A step gathers the params before a loss runs and splits its gradient; XLA inserts the
exchange. Everything else is whole on every device.
"""

import math
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from colorjax.distributed import replicated

SMALL = 1024  # values; a smaller array is not worth an exchange of its own


class Placement(NamedTuple):
    """The functions that place the arrays of a state on `mesh`; without `shard` they
    change nothing."""

    mesh: Mesh
    shard: bool

    def gather(self, tree: Any) -> Any:
        """The traced arrays, whole on every device."""
        return self.constrain(tree, replicated(self.mesh))

    def split(self, tree: Any) -> Any:
        """The traced arrays, in parts where they are large enough."""
        return self.constrain(tree, self.parts(tree))

    def parts(self, tree: Any) -> Any:
        """The shardings of arrays that are split; the arrays may be abstract."""
        return jax.tree.map(lambda x: self._part(x.shape), tree)

    def constrain(self, tree: Any, shardings: Any) -> Any:
        """The traced arrays with these shardings."""
        return jax.lax.with_sharding_constraint(tree, shardings) if self.shard else tree

    def _part(self, shape: tuple[int, ...]) -> NamedSharding:
        """Along the longest axis that the devices divide."""
        count = self.mesh.size
        axes = [axis for axis, length in enumerate(shape) if length % count == 0]
        if not (self.shard and axes and math.prod(shape) >= SMALL):
            return replicated(self.mesh)
        longest = max(axes, key=lambda axis: shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * longest, "data"))
