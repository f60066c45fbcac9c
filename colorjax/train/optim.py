"""The `optimizer` section of a config: `Adam` and the schedule of its learning rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import optax

from colorjax.errors import UserError


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, 2015) and its learning rate.

    The rate rises linearly for `warmup` steps to `learning_rate`, then follows `decay`:

    - "constant" changes at `boundaries`, pairs of a step and the rate from there on;
    - "cosine" falls to 0 at the last step;
    - "linear" stays until step `hold`, then falls to 0 at the last step.

    `weight_decay` applies to every parameter: `decoupled` from the gradient (AdamW,
    Loshchilov and Hutter, 2019), or added to it as an L2 penalty, as the solver of
    Zhang et al. (2016) does. `clip` is the largest global norm of the gradient. Raises
    `UserError` for options that do not go together.
    """

    learning_rate: float
    decay: Literal["constant", "cosine", "linear"] = "constant"
    warmup: int = 0
    boundaries: Sequence[Sequence[int | float]] = ()
    hold: int = 0
    b1: float = 0.9
    b2: float = 0.999
    weight_decay: float = 0.0
    decoupled: bool = True
    clip: float | None = None

    def __post_init__(self):
        if self.boundaries and self.decay != "constant":
            raise UserError("optimizer.boundaries go with decay 'constant' only")
        if self.hold and self.decay != "linear":
            raise UserError("optimizer.hold goes with decay 'linear' only")

    def schedule(self, steps: int) -> optax.Schedule:
        """The learning rate as a function of the step, for a run of `steps`."""
        rate, warmup = self.learning_rate, self.warmup
        if self.decay == "cosine":
            after = optax.cosine_decay_schedule(rate, max(1, steps - warmup))
        elif self.decay == "linear":
            begin = max(self.hold, warmup)
            fall = max(1, steps - begin)
            after = optax.linear_schedule(rate, 0.0, fall, begin - warmup)
        else:
            rates = [rate, *(rate for _, rate in self.boundaries)]
            after = optax.join_schedules(
                [optax.constant_schedule(rate) for rate in rates],
                [int(step) - warmup for step, _ in self.boundaries],
            )
        if not warmup:
            return after
        ramp = optax.linear_schedule(0.0, rate, warmup)
        return optax.join_schedules([ramp, after], [warmup])

    def transformation(self, steps: int) -> optax.GradientTransformation:
        """The optimizer for a run of `steps`."""
        parts = []
        if self.clip is not None:
            parts.append(optax.clip_by_global_norm(self.clip))
        if self.weight_decay and not self.decoupled:
            parts.append(optax.add_decayed_weights(self.weight_decay))
        parts.append(optax.scale_by_adam(b1=self.b1, b2=self.b2))
        if self.weight_decay and self.decoupled:
            parts.append(optax.add_decayed_weights(self.weight_decay))
        parts.append(optax.scale_by_learning_rate(self.schedule(steps)))
        return optax.chain(*parts)
