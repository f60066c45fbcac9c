"""Starting a run from the nets of another one: `initialize_from`."""

import jax

from colorjax.errors import UserError
from colorjax.method import Nets
from colorjax.train.averages import start_averages
from colorjax.train.step import TrainState


def initialize_from(
    state: TrainState, nets: Nets
) -> tuple[TrainState, list[str], list[str]]:
    """Copy arrays of another run's nets to a new state if name and shape agree.

    Returns the state, the names of its arrays that were not replaced (of the head, if
    the methods differ), and the names of the other run's unused arrays (the scales of
    BatchNorm, if the new run has none). Raises `UserError` if no array agrees.
    """
    unused = dict(jax.tree_util.tree_leaves_with_path(nets))
    fresh = []

    def name(path):
        return jax.tree_util.keystr(path, simple=True, separator="/")

    def choose(path, leaf):
        array = unused.get(path)
        if array is None or array.shape != leaf.shape:
            fresh.append(name(path))
            return leaf
        del unused[path]
        return jax.device_put(array.astype(leaf.dtype), leaf.sharding)

    merged = jax.tree_util.tree_map_with_path(choose, state.nets)
    if len(fresh) == len(jax.tree.leaves(merged)):
        raise UserError(
            "init_from: that run has no parameter of the same name and shape"
        )
    state = state._replace(nets=merged, averages=start_averages(merged, state.averages))
    return state, fresh, [name(path) for path in unused]
