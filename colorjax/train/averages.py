"""Averages of weights over the steps of a run (Polyak averaging), by net.

The average of step n keeps the share min(decay, n / (9 + n)) of the one before. So it
starts from the first weights, the share of these is soon negligible, and no bias needs
a correction.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from colorjax.method import Nets

Averages = dict[str, Any]  # by net, with the tree of its params


def start_averages(nets: Nets, names: Iterable[str]) -> Averages:
    """The averages before the first step: copies of the weights."""
    return {name: jax.tree.map(jnp.copy, nets[name]["params"]) for name in names}


def update_averages(
    averages: Averages, nets: Nets, decays: Mapping[str, float], step: Int[Array, ""]
) -> Averages:
    """The averages after a step; `step` counts the steps that changed the nets,
    beginning with 1."""
    return {
        name: _mix(average, nets[name]["params"], jnp.minimum(decays[name], share))
        for share in [step / (9 + step)]
        for name, average in averages.items()
    }


def averaged(nets: Nets, averages: Averages) -> Nets:
    """The nets with their averages as params, where there is one."""
    return nets | {
        name: {**nets[name], "params": average} for name, average in averages.items()
    }


def of_version_0_1(nets: Nets, decay: float) -> tuple[Nets, Averages]:
    """The nets and the averages of a checkpoint that colorjax 0.1 wrote.

    There a net with an average (of pix2pix, whose `ema` is `decay`) has a collection
    "ema" with the sum `ema`, which starts at zero, and the number `count` of its terms.
    """
    averages = {}
    for name, collections in nets.items():
        if "ema" in collections:
            total, count = collections["ema"]["ema"], int(collections["ema"]["count"])
            if not count:
                total = collections["params"]
            bias = 1 - decay**count if count else 1.0
            averages[name] = jax.tree.map(lambda x, bias=bias: x / bias, total)
    rest = {
        name: {key: x for key, x in collections.items() if key != "ema"}
        for name, collections in nets.items()
    }
    return rest, averages


def _mix(average: Any, params: Any, share: Array) -> Any:
    return jax.tree.map(
        lambda a, p: (p + share * (a - p)).astype(a.dtype), average, params
    )
