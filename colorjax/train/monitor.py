"""Signs that a training goes wrong, each in a line with what to do.

`discriminator_warnings` come from what is logged, `collapse_warnings` from an
evaluation. Pure functions, for every method.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WINDOW = 30  # logged steps that a side has to win: all of the first 100, then each 20th
WON, LOST = 0.97, 0.52  # a discriminator's mean accuracy; half right is chance
FEW = 0.05  # of the colours that the originals have beside one
FAINT, WILD = 0.05, 3.0  # chroma in units of the originals'


def discriminator_warnings(logged: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A warning for each discriminator that has won, or lost, through all of `logged`.

    `logged` are the last `WINDOW` lines of a log; of fewer nothing is said. Accuracies
    are their scalars whose names begin with "accuracy_D".
    """
    if len(logged) < WINDOW:
        return {}
    logged = logged[-WINDOW:]
    warnings = {}
    for name in logged[-1]:
        if not name.startswith("accuracy_D"):
            continue
        # What was not finite is null in the log, and compares as no number does.
        accuracies = [math.nan if (x := line[name]) is None else x for line in logged]
        mean = sum(accuracies) / WINDOW
        since = f"{name} is {mean:.2f} on average since step {logged[0]['step']:.0f}"
        if mean > WON:
            warnings[name] = (
                f"{since}: the discriminator has won, and the generator learns little "
                "from it; lower optimizer.learning_rate, weaken it by "
                "method.patch_layers, or with pix2pix set method.r1"
            )
        elif mean < LOST:
            warnings[name] = (
                f"{since}, which is chance: the generator has won, and learns nothing "
                "from the discriminator; go on a while, and if it stays so, raise "
                "method.patch_layers or begin with a higher optimizer.learning_rate"
            )
    return warnings


def collapse_warnings(figures: Mapping[str, float]) -> list[str]:
    """Warnings that all colours became one, or none, or glaring.

    `figures` are those of an evaluation: "bins_used", "commonest_bin" and
    "chroma_ratio" (see colorjax.evaluators.diversity and .image).
    """
    remedy = (
        "; lower optimizer.learning_rate and begin again, or go on from an earlier "
        "checkpoint"
    )
    used, had = figures["bins_used"], figures["bins_used_original"]
    share, chroma = figures["commonest_bin"], figures["chroma_ratio"]
    warnings = []
    if used - 1 < FEW * (had - 1):
        warnings.append(
            f"the colours have collapsed: they are as many as {used:.1f} equally "
            f"frequent ones, the originals' {had:.1f}, and {share:.0%} of all pixels "
            f"have the same{remedy}"
        )
    if chroma < FAINT:
        warnings.append(
            f"the pictures are grey: their chroma is {chroma:.3f} of the originals'; "
            "train longer, or weigh rare colours more (method.mix, a lower method.l1)"
        )
    if chroma > WILD:
        warnings.append(
            f"the colours are glaring: their chroma is {chroma:.1f} times the "
            f"originals'{remedy}"
        )
    return warnings
