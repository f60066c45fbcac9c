"""Baselines, which need no run: those of the paper's Table 1 and two more."""

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
    """The baselines of these names, in the order of `NAMES`.

    `grey` predicts no color. `random` predicts the ab of another image, which the
    batches bring as "other". `mean` predicts the mean ab of a data set, which `mean()`
    computes; it is called only then. `original` predicts the ground truth. Raises
    `UserError` for an unknown name.
    """
    if unknown := set(names) - set(NAMES):
        raise UserError(
            f"--baselines: no '{unknown.pop()}'; there are {', '.join(NAMES)}"
        )
    build = {
        "grey": grey_predictor,
        "random": lambda: Predictor(_other, {}),
        "mean": lambda: Predictor(_mean, {"ab": mean()}),
        "original": original_predictor,
    }
    return {name: build[name]() for name in NAMES if name in names}


def _other(nets, examples, key):
    return Prediction(examples["other_ab"])


def _mean(nets, examples, key):
    return Prediction(jnp.broadcast_to(nets["ab"], examples["ab"].shape))
