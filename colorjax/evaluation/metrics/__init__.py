"""All families of metrics; `make_metrics` builds those that a user names.

To add a metric, write a file with its `Family` and name it in `STANDARD` or `NETWORKS`.
"""

from collections.abc import Iterable

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics import (
    auc,
    calibration,
    classification,
    clip_score,
    diversity,
    fid,
    image,
    lpips,
    scores,
)
from colorjax.evaluation.metrics.family import Column, Context, Family


def _by_name(*families: Family) -> dict[str, Family]:
    return {family.name: family for family in families}


STANDARD = _by_name(  # closed forms, in every evaluation
    auc.FAMILY,
    image.CHROMA,
    image.DISTORTION,
    image.SIMILARITY,
    image.COLORFULNESS,
    diversity.FAMILY,
    calibration.FAMILY,
)
NETWORKS = _by_name(  # on request
    classification.FAMILY, lpips.FAMILY, fid.FAMILY, clip_score.FAMILY
)
SCORES, HISTOGRAM = "scores", "histogram"  # shown on the page; they have no values
MEGABYTES, MILLISECONDS = "megabytes", "milliseconds"  # of a model, not its predictions
ORDER = (  # of the columns: the paper's Table 1 first; a column not listed comes last
    *(MEGABYTES, MILLISECONDS, "auc", "auc_rebalanced", "auc_left_out", "top1", "top5"),
    *("auc_balanced", "psnr", "ssim", "rmse_ab", "lpips", "chroma_ratio"),
    *("colourfulness", "colourfulness_absolute", "colourfulness_difference"),
    *("fid_same", "fid_disjoint", "clip_score", "nll", "ece"),
)


def columns(values: Iterable[str] = ()) -> dict[str, Column]:
    """The columns of all families by the name of their values, in the table's order.

    Among `values`, the names of other values, "psnr@K" has a column, too.
    """
    known = {
        MEGABYTES: Column("model MB", 1, "parameters, as float32"),
        MILLISECONDS: Column("ms", 0, "to predict one image alone; --time measures it"),
        **{name: _at(name) for name in values if name.startswith("psnr@")},
        "hint_error": Column("hint error", 2, "ab units, of the most hints"),
        "hint_range": Column("hint range", 1, "pixels, of one hint"),
    }
    for family in (STANDARD | NETWORKS).values():
        known |= family.columns
    return {key: known[key] for key in dict.fromkeys([*ORDER, *known])}


def _at(name: str) -> Column:
    """The column of a PSNR with hints."""
    count = name.partition("@")[2]
    return Column(f"PSNR @{count}", 2, f"dB, with {count} hints an image")


def page_metrics() -> dict[str, Metric]:
    """What the page shows besides values: scores of single images, and histograms."""
    return {SCORES: scores.image_scores(), HISTOGRAM: scores.histogram()}


def make_metrics(
    context: Context, names: Iterable[str] = ("standard",)
) -> tuple[dict[str, Metric], list[str]]:
    """The metrics of these names, and a message for each that cannot be computed.

    "standard" names all closed forms. Raises `UserError` for an unknown name.
    """
    families: dict[str, Family] = {}
    known = STANDARD | NETWORKS
    for name in names:
        if name == "standard":
            families |= STANDARD
        elif name in known:
            families[name] = known[name]
        else:
            raise UserError(
                f"--metrics: no '{name}'; there are standard ({', '.join(STANDARD)}), "
                + ", ".join(NETWORKS)
            )
    metrics, problems = {}, []
    for name, family in families.items():
        try:
            metrics[name] = family.build(context)
        except UserError as error:
            problems.append(str(error))
    return metrics, problems
