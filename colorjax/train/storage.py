"""The files of checkpoints: Orbax without its log, and what becomes of damage."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from etils import epath
from orbax.checkpoint import v1 as ocp

from colorjax.errors import UserError, reason
from colorjax.progress import report
from colorjax.train import checksums

LOWER_IS_BETTER = ("rmse_ab", "nll")  # of the metrics that can choose a checkpoint
Step = int | Literal["best"] | None  # of a checkpoint; None is the last one


def checkpointer(directory: epath.Path, **options: Any) -> ocp.training.Checkpointer:
    """Orbax with its log silenced: 25 lines a save, and each error five times."""
    logging.getLogger("absl").addFilter(_is_not_of_orbax)
    return ocp.training.Checkpointer(directory, **options)


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


def load(orbax: ocp.training.Checkpointer, step: int, like: Any) -> Any:
    """The part of a checkpoint that has the tree of `like`."""
    context = ocp.Context()  # Orbax changes it, so that it cannot be used again
    context.pytree.loading.partial_load = True
    with context:
        return orbax.load(step, like)


def score(metrics: Mapping[str, float], metric: str) -> float:
    """How good a checkpoint is by a metric: -inf if that was not computed."""
    value = metrics.get(metric, math.nan)
    if math.isnan(value):
        return -math.inf
    return -value if metric in LOWER_IS_BETTER else value


def best_step(workdir: epath.PathLike, checkpoints: Sequence[Any], metric: str) -> int:
    """The step of the best of Orbax's checkpoints, which a line reports.

    Raises `UserError` if none of them was evaluated.
    """
    scores = {x.step: score(x.metrics or {}, metric) for x in checkpoints}
    step = max(scores, key=lambda step: (scores[step], step))
    if scores[step] == -math.inf:
        raise UserError(
            f"{workdir}: no checkpoint here has the metric {metric} (checkpoint.best); "
            "a run evaluates while it trains if evaluation.every is set"
        )
    report(f"{workdir}: the best checkpoint by {metric} is that of step {step}")
    return step


def last_good(directory: epath.Path, steps: Sequence[int]) -> int:
    """The last checkpoint that verifies; damaged ones after it are reported."""
    messages = []
    for step in sorted(steps, reverse=True):
        damage = checksums.verify(directory / str(step))
        if damage is None:
            for message in messages:
                report(f"{message}; going back to that of step {step}")
            return step
        messages.append(f"{directory / str(step)} is damaged: {damage}")
    raise UserError(
        f"{messages[0]}; all checkpoints of this run are damaged: restore them from a "
        "copy, or begin anew in another --workdir"
    )


@contextlib.contextmanager
def report_damage(path: epath.Path) -> Iterator[None]:
    """Turn Orbax's errors in loading from `path` into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Orbax raises whatever the files provoke
        raise UserError(
            f"{path} cannot be loaded ({cause(error.__cause__ or error)}); it is "
            "damaged, or another version of colorjax wrote it; remove it to resume "
            "from the one before"
        ) from error


def checkpoints_of(workdir: epath.PathLike) -> epath.Path:
    """The directory of a run's checkpoints."""
    path = epath.Path(workdir)
    if "://" not in str(path):
        path = path.absolute()  # Orbax requires it
    return path / "checkpoints"


def cause(error: BaseException) -> str:
    """What happened, in a few words."""
    return reason(error).rsplit('": ', 1)[-1]  # drop the name of a temporary file
