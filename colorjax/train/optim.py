"""The `optimizer` section of a config: `adam` and its learning rate, `schedule`."""

from collections.abc import Sequence

import optax

from colorjax.errors import UserError


def schedule(
    steps: int,
    learning_rate: float,
    decay: str = "constant",
    warmup: int = 0,
    boundaries: Sequence[Sequence[int | float]] = (),
    hold: int = 0,
) -> optax.Schedule:
    """The learning rate as a function of the step.

    It rises linearly for `warmup` steps to `learning_rate`, then follows `decay`:
    "constant" changes at `boundaries`, pairs of a step and the rate from there on;
    "cosine" falls to 0 at `steps`; "linear" stays until step `hold`, then falls to 0 at
    `steps`. Raises `UserError` for a decay and options that do not go together.
    """
    if decay not in ("constant", "cosine", "linear"):
        raise UserError(
            f"optimizer.decay '{decay}': use 'constant', 'cosine' or 'linear'"
        )
    if boundaries and decay != "constant":
        raise UserError("optimizer.boundaries go with decay 'constant' only")
    if hold and decay != "linear":
        raise UserError("optimizer.hold goes with decay 'linear' only")
    if decay == "cosine":
        after = optax.cosine_decay_schedule(learning_rate, max(1, steps - warmup))
    elif decay == "linear":
        begin = max(hold, warmup)
        after = optax.linear_schedule(
            learning_rate, 0.0, max(1, steps - begin), begin - warmup
        )
    else:
        rates = [learning_rate, *(rate for _, rate in boundaries)]
        after = optax.join_schedules(
            [optax.constant_schedule(rate) for rate in rates],
            [int(step) - warmup for step, _ in boundaries],
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
    hold: int = 0,
    b1: float = 0.9,
    b2: float = 0.999,
    weight_decay: float = 0.0,
    decoupled: bool = True,
    clip: float | None = None,
) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2015) with the learning rate of `schedule`.

    `weight_decay` applies to every parameter: `decoupled` from the gradient (AdamW,
    Loshchilov and Hutter, 2019), or added to it as an L2 penalty, as the solver of
    Zhang et al. (2016) does. `clip` is the largest global norm of the gradient.
    """
    rate = schedule(steps, learning_rate, decay, warmup, boundaries, hold)
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
