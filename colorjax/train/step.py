"""The training step of every method: `TrainState`, `StepOptions`, `make_init`,
`make_step`.

A run is two pure functions, `batch = data(seed, step)` and `state = step(state,
batch)`. All randomness of a step comes from `fold_in(key(seed), step)`. Arrays are
global: under jit, sums and BatchNorm's statistics are those of the global batch, and
XLA reduces gradients over the mesh.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int

from colorjax.distributed import batch_sharding, replicated
from colorjax.errors import UserError
from colorjax.method import Method, Nets, to_examples
from colorjax.nets import winograd
from colorjax.train.averages import (
    Averages,
    averaged,
    start_averages,
    update_averages,
)
from colorjax.train.placement import Placement


class TrainState(NamedTuple):
    """Everything that a run carries from one step to the next.

    `skipped` counts the steps that changed no net because a loss or a gradient was not
    finite; `skipped_in_row` counts those since the last step that changed the nets.
    `averages` are those of `Method.ema`, of the params by net.
    """

    step: Int[Array, ""]
    nets: Nets
    optimizers: dict[str, Any]
    skipped: Int[Array, ""]
    skipped_in_row: Int[Array, ""]
    averages: Averages

    @property
    def predicting_nets(self) -> Nets:
        """The nets with their averages as params, where there is one."""
        return averaged(self.nets, self.averages)

    def shardings(self, placement: Placement) -> "TrainState":
        """The sharding of each array of the state, which may be abstract."""
        whole = jax.tree.map(lambda _: replicated(placement.mesh), self)
        nets = {
            name: {**collections, "params": placement.parts(self.nets[name]["params"])}
            for name, collections in whole.nets.items()
        }
        return whole._replace(
            nets=nets,
            optimizers=placement.parts(self.optimizers),
            averages=placement.parts(self.averages),
        )


@dataclass(frozen=True)
class StepOptions:
    """The `step` section of a config.

    `accumulate` trades time for memory: the gradient is the mean over this number of
    micro-batches, each with its own BatchNorm statistics and randomness. With `shard`
    each device holds a part of the state instead of all (`train/placement.py`). A run
    ends after `patience` skipped steps in a row. `profile`, "FIRST:LAST", names steps
    to trace.
    """

    accumulate: int = 1
    patience: int = 20
    profile: str = ""
    shard: bool = False

    def __post_init__(self):
        if self.patience < 1:
            raise UserError(f"config.step.patience is {self.patience}, less than 1")
        _ = self.profile_window

    @property
    def profile_window(self) -> range:
        """The steps to trace."""
        if not self.profile:
            return range(0)
        match = re.fullmatch(r"(\d+):(\d+)", self.profile)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(
                f"config.step.profile is '{self.profile}'; give FIRST:LAST, as in 10:12"
            )
        return range(int(match[1]), int(match[2]) + 1)


def make_init(
    method: Method,
    optimizer: optax.GradientTransformation,
    seed: int,
    mesh: Mesh,
    options: StepOptions = StepOptions(),
) -> Callable[[dict[str, Array]], TrainState]:
    """A compiled function that makes the state of step 0 from the first batch."""
    placement = Placement(mesh, options.shard)

    def init(batch):
        nets = method.init(jax.random.key(seed), to_examples(batch))
        state = TrainState(
            step=jnp.zeros((), jnp.int32),
            nets=nets,
            optimizers={
                name: optimizer.init(nets[name]["params"]) for name in method.losses
            },
            skipped=jnp.zeros((), jnp.int32),
            skipped_in_row=jnp.zeros((), jnp.int32),
            averages=start_averages(nets, method.ema),
        )
        return placement.constrain(state, state.shardings(placement))

    return jax.jit(init, out_shardings=None if options.shard else replicated(mesh))


def make_step(
    method: Method,
    optimizer: optax.GradientTransformation,
    seed: int,
    mesh: Mesh,
    options: StepOptions = StepOptions(),
    learning_rate: optax.Schedule | None = None,
) -> Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]:
    """A compiled function from (state, batch) to (next state, metrics).

    The state is donated: its buffers are used again for the next one. Losses run in
    their order; each sees the nets that the losses before it updated. If a loss or its
    gradient is not finite, the step is skipped: it changes only the counters of the
    state. Metrics are float or int scalars. Besides those of the losses there are
    `skipped`, the number of skipped steps so far, and `patience`, the number of further
    steps that may be skipped in a row; of each trained net the global norms of gradient
    and update; and `learning_rate`, if the schedule of the optimizer is given.
    """
    placement = Placement(mesh, options.shard)

    def step(state, batch):
        examples = to_examples(batch)
        # All losses get the same key, so that XLA merges what they have in common.
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        nets, optimizers, metrics = dict(state.nets), dict(state.optimizers), {}
        finite = jnp.bool(True)
        for name, loss in method.losses.items():
            params, moments = nets[name]["params"], optimizers[name]
            value, gradient, nets, scalars = _gradient(
                loss, name, nets, examples, key, options.accumulate, placement
            )
            # Test the squared norm: Adam squares gradients, which may overflow, too.
            squared_norm = _squared_norm(gradient)
            finite &= jnp.isfinite(value + squared_norm)
            updates, optimizers[name] = optimizer.update(gradient, moments, params)
            params = optax.apply_updates(params, updates)
            nets[name] = {**nets[name], "params": params}
            metrics |= scalars | {
                f"gradient_norm_{name}": jnp.sqrt(squared_norm),
                f"update_norm_{name}": jnp.sqrt(_squared_norm(updates)),
            }
        finite &= _statistics_are_finite(nets)
        good_steps = state.step - state.skipped  # before this one
        averages = update_averages(state.averages, nets, method.ema, good_steps + 1)
        # XLA fuses a select into the update, in place; a branch would copy the state.
        old = state.nets, state.optimizers, state.averages
        new = nets, optimizers, averages
        nets, optimizers, averages = optax.tree.where(finite, new, old)
        in_row = jnp.where(finite, 0, state.skipped_in_row + 1)
        skipped = state.skipped + ~finite
        metrics |= {"skipped": skipped, "patience": options.patience - in_row}
        if learning_rate is not None:  # skipped steps do not advance the schedule
            metrics["learning_rate"] = learning_rate(good_steps)
        after = TrainState(state.step + 1, nets, optimizers, skipped, in_row, averages)
        return placement.constrain(after, after.shardings(placement)), metrics

    whole = replicated(mesh)
    of_state = None if options.shard else whole  # None: that of the arrays
    inputs, outputs = (of_state, batch_sharding(mesh)), (of_state, whole)
    return jax.jit(step, donate_argnums=0, in_shardings=inputs, out_shardings=outputs)


def _gradient(loss, name, nets, examples, key, accumulate, placement):
    """The loss of a net, its gradient, all nets after it, and its metrics.

    Loss, gradient and metrics are averaged over micro-batches.
    """
    platform = placement.mesh.devices.flat[0].platform

    def micro_step(nets, examples, key):
        whole = winograd.mark(placement.gather(nets), platform)
        (value, (collections, scalars)), gradient = jax.value_and_grad(
            loss, has_aux=True
        )(whole[name]["params"], whole, examples, key)
        changed = {net: {**nets[net], **c} for net, c in collections.items()}
        return {**nets, **changed}, (value, placement.split(gradient), scalars)

    if accumulate == 1:
        nets, (value, gradient, scalars) = micro_step(nets, examples, key)
        return value, gradient, nets, scalars

    def accumulate_one(carry, index):
        nets, total = carry
        # Every accumulate-th example, so that no example moves to another device.
        micro_batch = jax.tree.map(
            lambda x: x.reshape(-1, accumulate, *x.shape[1:])[:, index], examples
        )
        key_of_part = jax.random.fold_in(key, index)
        nets, results = micro_step(nets, micro_batch, key_of_part)
        return (nets, jax.tree.map(jnp.add, total, results)), None

    shapes = jax.eval_shape(micro_step, nets, examples, key)[1]
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    indices = jnp.arange(accumulate)
    (nets, total), _ = jax.lax.scan(accumulate_one, (nets, zeros), indices)
    value, gradient, scalars = jax.tree.map(lambda x: x / accumulate, total)
    return value, gradient, nets, scalars


def _squared_norm(tree):
    """The sum of the squares of all values. Each is a product of an array with itself:
    XLA's CPU compiler makes slow trees of other sums, such as `optax.tree.norm`."""

    def squares(x):
        axes = tuple(range(x.ndim))
        return jax.lax.dot_general(x, x, ((axes, axes), ((), ())), precision="highest")

    return sum(map(squares, jax.tree.leaves(tree)))


def _statistics_are_finite(nets):
    """Whether all collections besides params are finite.

    BatchNorm's averages would keep an infinity that the loss does not show.
    """
    others = [
        {name: x for name, x in collections.items() if name != "params"}
        for collections in nets.values()
    ]
    finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(others)]
    return jnp.array(finite, bool).all()
