"""Metrics of predictions, one file a family; `make_metrics` builds them by name."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics import fid
from colorjax.evaluation.metrics.auc import accuracy_curve
from colorjax.evaluation.metrics.calibration import calibration
from colorjax.evaluation.metrics.classification import classification
from colorjax.evaluation.metrics.diversity import diversity
from colorjax.evaluation.metrics.image import (
    chroma,
    colourfulness,
    distortion,
    histogram,
    picture_scores,
    similarity,
)
from colorjax.evaluation.metrics.lpips import lpips
from colorjax.pretrained import weights
from colorjax.pretrained.inception import load_inception
from colorjax.pretrained.vgg16 import load_classifier


class Context(NamedTuple):
    """What metrics may ask for: of the evaluated data, the training split's `prior` and
    the pictures' `side` in pixels; files of weights; and `originals`, which gives, of
    the features of a net, the moments on the originals of the evaluated pictures and on
    a disjoint set, and the settings that name that set."""

    prior: Float[np.ndarray, "313"]
    side: int
    classifier: epath.PathLike | None = None
    inception: epath.PathLike | None = None
    originals: Callable | None = None


def _classification(context: Context) -> Metric:
    if not context.classifier:
        raise UserError("classification: name the classifier's file: --classifier=FILE")
    file = weights.read(context.classifier)
    return classification(load_classifier(file), context.side, file.sha256)


def _fid(context: Context) -> Metric:
    if not context.inception:
        raise UserError("fid: left out; name Inception-v3's file: --inception=FILE")
    file = weights.read(context.inception)
    net, variables = load_inception(file)
    same, disjoint, settings = context.originals(net, variables)
    settings = {"sha256": file.sha256, **settings}
    return fid.frechet(net, variables, same, disjoint, settings)


STANDARD = {  # closed forms, in every evaluation
    "auc": lambda context: accuracy_curve(context.prior),
    "chroma": lambda context: chroma(),
    "distortion": lambda context: distortion(),
    "ssim": lambda context: similarity(context.side),
    "colourfulness": lambda context: colourfulness(),
    "diversity": lambda context: diversity(),
    "calibration": lambda context: calibration(),
}
NETWORKS = {  # asked for by name
    "classification": _classification,
    "lpips": lambda context: lpips(context.side),
    "fid": _fid,
}
SCORES, HISTOGRAM = "scores", "histogram"  # for the eye; they have no figures


def shown_metrics() -> dict[str, Metric]:
    """What a page shows besides figures: scores of single pictures, and histograms."""
    return {SCORES: picture_scores(), HISTOGRAM: histogram()}


def make_metrics(
    context: Context, names: Iterable[str] = ("standard",)
) -> tuple[dict[str, Metric], list[str]]:
    """The metrics of these names ("standard" is all closed forms), and what is wrong
    with those that could not be built, a line each. Raises `UserError` for a name that
    there is not."""
    builders = {}
    for name in names:
        if name == "standard":
            builders |= STANDARD
        elif name in (known := STANDARD | NETWORKS):
            builders[name] = known[name]
        else:
            raise UserError(
                f"--metrics: no '{name}'; there are standard ({', '.join(STANDARD)}), "
                + ", ".join(NETWORKS)
            )
    metrics, problems = {}, []
    for name, build in builders.items():
        try:
            metrics[name] = build(context)
        except UserError as error:
            problems.append(str(error))
    return metrics, problems
