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
    predictors = {}
    if "grey" in names:
        predictors["grey"] = grey_predictor()
    if "random" in names:
        predictors["random"] = Predictor(_other, {})
    if "mean" in names:
        predictors["mean"] = Predictor(_mean, {"ab": mean()})
    if "original" in names:
        predictors["original"] = original_predictor()
    return predictors


def _other(nets, examples, key):
    return Prediction(examples["other_ab"])


def _mean(nets, examples, key):
    return Prediction(jnp.broadcast_to(nets["ab"], examples["ab"].shape))
