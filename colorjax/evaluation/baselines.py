"""Rows that need no run: `baselines`, those of the paper's Table 1 and two more."""

from collections.abc import Callable, Iterable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.evaluation.engine import Predictor, grey_predictor, original_predictor
from colorjax.method import Prediction

NAMES = ("grey", "random", "mean", "original")


def baselines(
    names: Iterable[str], mean: Callable[[], Float[np.ndarray, "h w 2"]]
) -> dict[str, Predictor]:
    """Rows by name, in the order of `NAMES`; `mean()` is asked for its map if needed.

    `grey` predicts no colour; `random` the colours of another picture, which the
    batches bring as "other"; `mean` those of the mean picture; `original` the truth.
    """
    if unknown := set(names) - set(NAMES):
        raise UserError(
            f"--baselines: no '{unknown.pop()}'; there are {', '.join(NAMES)}"
        )
    rows = {}
    if "grey" in names:
        rows["grey"] = grey_predictor()
    if "random" in names:
        rows["random"] = Predictor(lambda nets, e, key: Prediction(e["other_ab"]), {})
    if "mean" in names:
        rows["mean"] = Predictor(_mean, {"ab": mean()})
    if "original" in names:
        rows["original"] = original_predictor()
    return rows


def _mean(nets, examples, key):
    return Prediction(jnp.broadcast_to(nets["ab"], examples["ab"].shape))
