"""Training, generic over the method: `TrainState`, `make_init`, `make_step`.

A run is two pure functions, `batch = data(seed, step)` and `state = step(state,
batch)`; all randomness of a step is `fold_in(key(seed), step)`. Arrays are global:
under jit, sums and BatchNorm's statistics are those of the global batch, and XLA
reduces gradients over the mesh.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int

from colorjax.distributed import batch_sharding, replicated
from colorjax.errors import UserError
from colorjax.method import Method, Nets, to_examples


class TrainState(NamedTuple):
    """Everything that a run carries from one step to the next.

    `skipped` counts the steps that changed no net because a loss or a gradient was not
    finite, `skipped_in_row` those of them since the last step that did.
    """

    step: Int[Array, ""]
    nets: Nets
    optimizers: dict[str, Any]
    skipped: Int[Array, ""]
    skipped_in_row: Int[Array, ""]


def make_init(
    method: Method, optimizer: optax.GradientTransformation, seed: int, mesh: Mesh
) -> Callable[[dict[str, Array]], TrainState]:
    """A compiled function from the first batch to the state of step 0."""

    def init(batch):
        nets = method.init(jax.random.key(seed), to_examples(batch))
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            nets=nets,
            optimizers={
                name: optimizer.init(nets[name]["params"]) for name in method.losses
            },
            skipped=jnp.zeros((), jnp.int32),
            skipped_in_row=jnp.zeros((), jnp.int32),
        )

    return jax.jit(init, out_shardings=replicated(mesh))


def make_step(
    method: Method,
    optimizer: optax.GradientTransformation,
    seed: int,
    mesh: Mesh,
    *,
    accumulate: int = 1,
    patience: int = 20,
) -> Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]:
    """A compiled function from (state, batch) to (next state, metrics); eats its state.

    Losses run in their order, each seeing the nets that those before it updated. Where
    one of them or its gradient is not finite, the step is skipped: of the state only
    the counters change. The metrics have `skipped`, how many steps were, and
    `patience`, how many more may be in a row.

    Of the keywords, the `step` section of a config, `accumulate` trades time for
    memory: the gradient is taken in so many parts of the batch, one after another,
    whose BatchNorm and randomness are their own; `patience` is how many skipped steps
    in a row end the run.
    """
    if patience < 1:
        raise UserError(f"config.step.patience is {patience}, less than 1")

    def step(state, batch):
        examples = to_examples(batch)
        # One key for every loss: what two of them compute alike, XLA computes once.
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        nets, optimizers, metrics = dict(state.nets), dict(state.optimizers), {}
        finite = jnp.bool(True)
        for name, loss in method.losses.items():
            params = nets[name]["params"]
            value, gradient, nets, scalars = _gradient(
                loss, params, nets, examples, key, accumulate
            )
            # The sum of squares: what Adam squares must not overflow either.
            finite &= jnp.isfinite(value + optax.tree.norm(gradient, squared=True))
            updates, optimizers[name] = optimizer.update(
                gradient, optimizers[name], params
            )
            params = optax.apply_updates(params, updates)
            nets[name] = {**nets[name], "params": params}
            metrics |= scalars
        finite &= _statistics_are_finite(nets)
        # A choice of each number, not a branch: XLA does it in place, while updating.
        nets, optimizers = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            (nets, optimizers),
            (state.nets, state.optimizers),
        )
        in_row = jnp.where(finite, 0, state.skipped_in_row + 1)
        skipped = state.skipped + ~finite
        metrics |= {"skipped": skipped, "patience": patience - in_row}
        return TrainState(state.step + 1, nets, optimizers, skipped, in_row), metrics

    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(replicated(mesh), batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )


def _gradient(loss, params, nets, examples, key, accumulate):
    """Loss, gradient and scalars, means over the parts of the batch, with the nets
    after them in the third place."""

    def part(nets, examples, key):
        (value, (collections, scalars)), gradient = jax.value_and_grad(
            loss, has_aux=True
        )(params, nets, examples, key)
        changed = {net: {**nets[net], **c} for net, c in collections.items()}
        return {**nets, **changed}, (value, gradient, scalars)

    if accumulate == 1:
        nets, (value, gradient, scalars) = part(nets, examples, key)
        return value, gradient, nets, scalars

    def following(carry, place):
        nets, total = carry
        # Every accumulate-th example: each device takes them from those that it holds.
        some = jax.tree.map(lambda x: x.reshape(-1, accumulate, *x.shape[1:]), examples)
        some = jax.tree.map(lambda x: x[:, place], some)
        nets, found = part(nets, some, jax.random.fold_in(key, place))
        return (nets, jax.tree.map(jnp.add, total, found)), None

    shapes = jax.eval_shape(part, nets, examples, key)[1]
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    (nets, total), _ = jax.lax.scan(following, (nets, zeros), jnp.arange(accumulate))
    value, gradient, scalars = jax.tree.map(lambda x: x / accumulate, total)
    return value, gradient, nets, scalars


def _statistics_are_finite(nets):
    """Whether all is that a step changes besides params: BatchNorm's averages, which
    would keep an infinity that the loss does not show."""
    others = [
        leaf
        for collections in nets.values()
        for name, collection in collections.items()
        if name != "params"
        for leaf in jax.tree.leaves(collection)
    ]
    return jnp.array([jnp.isfinite(leaf).all() for leaf in others], bool).all()


def initialize_from(
    state: TrainState, nets: Nets
) -> tuple[TrainState, list[str], list[str]]:
    """Put the nets of another run into a new state, wherever name and shape agree.

    Returns the state, the names of what stays as it was born (the head, say, where the
    methods differ), and of what is left of the other run (the scales of BatchNorm, if
    the new run has none). Raises `UserError` where nothing agrees.
    """
    old = dict(jax.tree_util.tree_leaves_with_path(nets))
    fresh = []

    def name(path):
        return jax.tree_util.keystr(path, simple=True, separator="/")

    def choose(path, leaf):
        found = old.get(path)
        if found is None or found.shape != leaf.shape:
            fresh.append(name(path))
            return leaf
        del old[path]
        return jax.device_put(found.astype(leaf.dtype), leaf.sharding)

    merged = jax.tree_util.tree_map_with_path(choose, state.nets)
    if len(fresh) == len(jax.tree.leaves(merged)):
        raise UserError(
            "init_from: that run has no parameter of the same name and shape"
        )
    return state._replace(nets=merged), fresh, [name(path) for path in old]
