"""Metrics of predictions, one file a family; `standard` are those of every table."""

import numpy as np
from jaxtyping import Float

from colorjax.evaluation import Metric
from colorjax.evaluators.auc import accuracy_curve
from colorjax.evaluators.image import chroma, distortion


def standard(prior: Float[np.ndarray, "313"]) -> dict[str, Metric]:
    """The closed-form metrics; `prior` is that of the evaluated data's training
    split."""
    return {
        "auc": accuracy_curve(prior),
        "chroma": chroma(),
        "distortion": distortion(),
    }
