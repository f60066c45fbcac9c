"""Baselines, which need no run: those of the paper's Table 1 and two more."""

from collections.abc import Callable, Iterable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.evaluation.engine import Predictor
from colorjax.method import Prediction

NAMES = ("grey", "random", "mean", "original")
GREY = Predictor(lambda nets, e, keys: Prediction(jnp.zeros_like(e["ab"])), {})
RANDOM = Predictor(lambda nets, e, keys: Prediction(e["other_ab"]), {})
ORIGINAL = Predictor(lambda nets, e, keys: Prediction(e["ab"]), {})


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
    predictors = {"grey": GREY, "random": RANDOM, "original": ORIGINAL}
    if "mean" in names:
        predictors["mean"] = Predictor(_mean, {"ab": mean()})
    return {name: predictors[name] for name in NAMES if name in names}


def _mean(nets, examples, keys):
    return Prediction(jnp.broadcast_to(nets["ab"], examples["ab"].shape))
