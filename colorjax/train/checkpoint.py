"""Checkpoints with Orbax: `Checkpoints` of a run in training, `load_nets` to use a run,
`save_nets` for nets that were not trained here.

Orbax does not verify content. Each finished checkpoint gets a SHA256SUMS file
(`train/checksums.py`); loading falls back to the newest checkpoint that verifies.
"""

import contextlib
import errno
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from colorjax import runtime
from colorjax.errors import UserError, reason
from colorjax.progress import report
from colorjax.train import checksums

BEST = "auc_balanced"  # the metric that selects the best checkpoint


class Checkpoints:
    """The `checkpoints/` of a run: the last `keep` ones and the best evaluated one.

    The run saves every `every` steps, asynchronously. A checkpoint that a killed
    process left unfinished does not count. Opening removes and reports damaged
    checkpoints after the last good one; it raises `UserError` if all are damaged.
    """

    def __init__(self, workdir: epath.PathLike, *, every: int = 1000, keep: int = 2):
        if min(every, keep) < 1:
            raise UserError("checkpoint.every and checkpoint.keep are 1 or more")
        self.directory = _directory(workdir)
        self.every = every
        policies = ocp.training.preservation_policies
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics[BEST],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._orbax = _checkpointer(
            self.directory,
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), best]
            ),
            cleanup_tmp_directories=True,
        )
        self._remove_damaged()
        self._finisher = ThreadPoolExecutor(1)
        self._finishing: Future | None = None

    def _remove_damaged(self):
        steps = [checkpoint.step for checkpoint in self._orbax.checkpoints]
        good = max(steps, default=0)
        if jax.process_index() == 0 and steps:
            good = _last_good(self.directory, steps)
        if jax.process_count() > 1:
            good = int(multihost_utils.broadcast_one_to_all(np.int32(good)))
        for step in steps:
            if step > good:  # the resumed run writes this step again
                self._orbax.delete(step)

    def latest(self) -> int | None:
        """The step of the last finished checkpoint, or None if there is none."""
        latest = self._orbax.latest
        return None if latest is None else latest.step

    def restore(self, step: int, like: Any, sharding: jax.sharding.Sharding) -> Any:
        """The state saved at `step`, with the tree, shapes and types of `like`.

        Raises `UserError` if it cannot be loaded.
        """
        like = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like
        )
        with _report_damage(self.directory / str(step)):
            return self._orbax.load(step, like)

    def save(self, step: int, state: Any, metrics: dict[str, float] | None = None):
        """Begin to save `state`. The best checkpoint has the largest metric `BEST`.

        Raises `UserError` if this or the previous checkpoint cannot be written.
        """
        self._guarded(self._wait)
        if self.latest() == step:
            return
        scores: Any = metrics  # Orbax's type for JSON is invariant
        response = self._guarded(
            lambda: self._orbax.save_async(step, state, force=True, metrics=scores)
        )

        def finish():
            response.result()
            if jax.process_index() == 0:
                checksums.write_checksums(self.directory / str(step))
            runtime.trim_malloc()

        self._finishing = self._finisher.submit(finish)

    def close(self) -> None:
        """Wait until all checkpoints are written.

        Raises `UserError` if one cannot be written.
        """
        self._guarded(self._wait)
        self._guarded(self._orbax.close)

    def _wait(self):
        if self._finishing is not None:
            self._finishing.result()

    def _guarded(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except jax.errors.JaxRuntimeError:  # a lost process, not the disk
            raise
        except Exception as error:  # tensorstore has no class for a full disk
            raise UserError(
                f"{self.directory}: a checkpoint could not be written "
                f"({_cause(error)}); if the disk is full, make room; the same "
                "command resumes from the last finished checkpoint"
            ) from error


def load_nets(
    workdir: epath.PathLike, step: int | None = None
) -> tuple[int, dict[str, Any]]:
    """The step and the nets, as numpy arrays, of a run's checkpoint of `step`, or of
    its last one.

    Arrays that are stored as float16 become float32. Raises `UserError` if there is no
    such checkpoint or it is damaged.
    """
    directory = _directory(workdir)
    if not directory.is_dir():
        raise UserError(f"{workdir}: no checkpoint here; is it the workdir of a run?")
    with _report_damage(directory), _checkpointer(directory) as orbax:
        steps = [checkpoint.step for checkpoint in orbax.checkpoints]
        if not steps:
            raise UserError(f"{workdir}: its training has not saved a checkpoint yet")
        if step is None:
            step = _last_good(directory, steps)
        elif step not in steps:
            raise UserError(
                f"{workdir}: no checkpoint of step {step}; there are {steps}"
            )
        elif damage := checksums.verify(directory / str(step)):
            raise UserError(f"{directory / str(step)} is damaged: {damage}")
        with _report_damage(directory / str(step)):
            stored = orbax.metadata(step).metadata["nets"]
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), stored)
            context = ocp.Context()
            context.pytree.loading.partial_load = True
            with context:
                nets = orbax.load(step, {"nets": like})["nets"]
    return step, jax.tree.map(_to_single_precision, nets)


def save_nets(workdir: epath.PathLike, nets: dict[str, Any], step: int = 0) -> None:
    """Write nets without an optimizer state, as the checkpoint of `step`.

    Raises `OSError` if the disk of `workdir`, a local directory, has no room for them.
    """
    directory = _directory(workdir)
    # On a full disk Orbax prints a traceback for each array.
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(nets))
    if shutil.disk_usage(directory.parent).free < size:
        raise OSError(errno.ENOSPC, "No space left on device")
    with _checkpointer(directory) as orbax:
        orbax.save(step, {"nets": nets})
    checksums.write_checksums(directory / str(step))


def _checkpointer(directory: epath.Path, **options: Any) -> ocp.training.Checkpointer:
    """Orbax with its log silenced: 25 lines a save, and each error five times."""
    logging.getLogger("absl").addFilter(_is_not_of_orbax)
    return ocp.training.Checkpointer(directory, **options)


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


def _to_single_precision(array: np.ndarray) -> np.ndarray:
    """Packed runs store float16, which is too coarse to compute in."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _last_good(directory: epath.Path, steps: Sequence[int]) -> int:
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
def _report_damage(path: epath.Path) -> Iterator[None]:
    """Turn Orbax's errors in loading from `path` into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Orbax raises whatever the files provoke
        raise UserError(
            f"{path} cannot be loaded ({_cause(error.__cause__ or error)}); it is "
            "damaged, or another version of colorjax wrote it; remove it to resume "
            "from the one before"
        ) from error


def _directory(workdir: epath.PathLike) -> epath.Path:
    path = epath.Path(workdir)
    if "://" not in str(path):
        path = path.absolute()  # Orbax requires it
    return path / "checkpoints"


def _cause(error: BaseException) -> str:
    return reason(error).rsplit('": ', 1)[-1]  # drop the name of a temporary file
