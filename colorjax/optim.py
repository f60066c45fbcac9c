"""The optimizer of a run from the `optimizer` section of its config: `adam`,
`schedule`."""

from collections.abc import Sequence

import optax

from colorjax.errors import UserError


def schedule(
    steps: int,
    learning_rate: float,
    decay: str = "constant",
    warmup: int = 0,
    boundaries: Sequence[Sequence[int | float]] = (),
) -> optax.Schedule:
    """Learning rate by step: linear `warmup`, then "constant" or "cosine" to 0 at
    `steps`.

    `boundaries` are pairs (step, learning rate from there on), for "constant" only.
    """
    if decay not in ("constant", "cosine"):
        raise UserError(f"optimizer.decay '{decay}': use 'constant' or 'cosine'")
    if decay == "cosine":
        if boundaries:
            raise UserError("optimizer.boundaries go with decay 'constant' only")
        after = optax.cosine_decay_schedule(learning_rate, max(1, steps - warmup))
    else:
        rates = [learning_rate, *(rate for _, rate in boundaries)]
        after = optax.join_schedules(
            [optax.constant_schedule(rate) for rate in rates],
            [step - warmup for step, _ in boundaries],
        )
    if not warmup:
        return after
    ramp = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.join_schedules([ramp, after], [warmup])


def adam(
    steps: int,
    *,
    learning_rate: float,
    decay: str = "constant",
    warmup: int = 0,
    boundaries: Sequence[Sequence[int | float]] = (),
    b1: float = 0.9,
    b2: float = 0.999,
    weight_decay: float = 0.0,
    decoupled: bool = True,
    clip: float | None = None,
) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2015) on the `schedule` of the same keys.

    `weight_decay` applies to every parameter, `decoupled` from the gradient (AdamW), or
    added to it as an L2 penalty, as the paper's solver does. `clip` bounds the global
    norm of the gradient.
    """
    rate = schedule(steps, learning_rate, decay, warmup, boundaries)
    parts = []
    if clip is not None:
        parts.append(optax.clip_by_global_norm(clip))
    if weight_decay and not decoupled:
        parts.append(optax.add_decayed_weights(weight_decay))
    parts.append(optax.scale_by_adam(b1=b1, b2=b2))
    if weight_decay and decoupled:
        parts.append(optax.add_decayed_weights(weight_decay))
    parts.append(optax.scale_by_learning_rate(rate))
    return optax.chain(*parts)
