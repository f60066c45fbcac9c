"""Signs of failing training, for every method, each as a message with a remedy.

`check_divergence` ends a run whose steps are skipped. `discriminator_warnings` judges
logged metrics, `collapse_warnings` the metrics of an evaluation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etils import epath

from colorjax.errors import UserError

WINDOW = 30  # logged steps over which the accuracy of a discriminator is averaged
WON, LOST = 0.97, 0.52  # mean accuracies of a discriminator; 0.5 is chance
SHORT = 500  # steps before which a run cannot have learned many colors
FEW = 0.05  # smallest ratio of (used bins - 1) to that of the originals
FAINT, WILD = 0.05, 3.0  # smallest and largest chroma, in units of the originals'


def check_divergence(
    step: int, metrics: Mapping[str, float], save_batch: Callable[[int], epath.Path]
) -> None:
    """Raise `UserError` if the metrics of `step` allow no further skipped step.

    `save_batch` writes the batch of a step to a file and returns its path. Of several
    processes all raise, because they have the same metrics.
    """
    if metrics.get("patience", 1) > 0:
        return
    raise UserError(
        f"step {step}: {metrics['skipped']:.0f} steps were skipped, "
        "config.step.patience in a row, because the loss or its gradient is not "
        f"finite; the batch of this step is in {save_batch(step)}; the same "
        "command resumes from the last checkpoint, which is good; "
        "JAX_DEBUG_NANS=True shows the operation; a new run may need a lower "
        "optimizer.learning_rate or optimizer.clip"
    )


def discriminator_warnings(logged: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A warning for each discriminator that wins or loses all the time, by the name of
    its accuracy.

    `logged` has the last lines of a log; there is no warning if they are fewer than
    `WINDOW`. A discriminator's accuracy is a metric whose name begins "accuracy_D".
    """
    if len(logged) < WINDOW:
        return {}
    logged = logged[-WINDOW:]
    warnings = {}
    for name in logged[-1]:
        if not name.startswith("accuracy_D"):
            continue
        # A number that is not finite is null in the log; NaN compares as false.
        accuracies = [math.nan if (x := line[name]) is None else x for line in logged]
        mean = sum(accuracies) / WINDOW
        since = f"{name} is {mean:.2f} on average since step {logged[0]['step']:.0f}"
        if mean > WON:
            warnings[name] = (
                f"{since}: the discriminator has won, and the generator learns little "
                "from it; lower optimizer.learning_rate or method.patch_layers, or set "
                "method.r1 with pix2pix"
            )
        elif mean < LOST:
            warnings[name] = (
                f"{since}, which is chance: the generator has won, and learns nothing "
                "from the discriminator; if it stays so, raise method.patch_layers or "
                "begin again with a higher optimizer.learning_rate"
            )
    return warnings


def collapse_warnings(metrics: Mapping[str, float], step: int) -> list[str]:
    """Warnings that the colors have collapsed, are grey, or are glaring.

    `metrics` are those of an evaluation: "bins_used", "bins_used_original",
    "commonest_bin" and "chroma_ratio" (see `colorjax.evaluation.metrics.diversity` and
    `.image`). A run of fewer than `SHORT` steps is not blamed for few or pale colors.
    """
    remedy = (
        "; lower optimizer.learning_rate and begin again, or go on from an earlier "
        "checkpoint"
    )
    used, original = metrics["bins_used"], metrics["bins_used_original"]
    share, chroma = metrics["commonest_bin"], metrics["chroma_ratio"]
    warnings = []
    if step >= SHORT and used - 1 < FEW * (original - 1):
        warnings.append(
            f"the colors have collapsed: {used:.1f} bins are in use (the exponential "
            f"of their entropy), {original:.1f} in the originals, and {share:.0%} of "
            f"all pixels have the same{remedy}"
        )
    if step >= SHORT and chroma < FAINT:
        warnings.append(
            f"the images are grey: their chroma is {chroma:.3f} of the originals'; "
            "train longer, or weigh rare colors more (method.mix, a lower method.l1)"
        )
    if chroma > WILD:
        warnings.append(
            f"the colors are glaring: their chroma is {chroma:.1f} times the "
            f"originals'{remedy}"
        )
    return warnings
