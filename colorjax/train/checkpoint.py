"""Checkpoints with Orbax: `Checkpoints` of a run in training, `load_nets` to use a run,
`save_nets` for nets that were not trained here.

Orbax does not verify content. Each finished checkpoint gets a SHA256SUMS file
(`train/checksums.py`); loading falls back to the newest checkpoint that verifies.
"""

import errno
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from colorjax import runtime
from colorjax.errors import UserError
from colorjax.method import Nets
from colorjax.train import checksums
from colorjax.train.averages import averaged, of_version_0_1
from colorjax.train.records import read_config
from colorjax.train.step import TrainState
from colorjax.train.storage import (
    Step,
    best_step,
    cause,
    checkpointer,
    checkpoints_of,
    last_good,
    load,
    report_damage,
    score,
)

Best = Literal["auc_balanced", "auc", "psnr", "ssim", "rmse_ab", "nll"]


class Checkpoints:
    """The `checkpoints/` of a run: the last `keep` ones and the best evaluated one, by
    the metric `best`.

    The run saves every `every` steps, asynchronously. A checkpoint that a killed
    process left unfinished does not count. Opening removes and reports damaged
    checkpoints after the last good one; it raises `UserError` if all are damaged.
    """

    def __init__(
        self,
        workdir: epath.PathLike,
        *,
        every: int = 1000,
        keep: int = 2,
        best: Best = "auc_balanced",
    ):
        if min(every, keep) < 1:
            raise UserError("checkpoint.every and checkpoint.keep are 1 or more")
        self.directory = checkpoints_of(workdir)
        self.every, self.best = every, best
        policies = ocp.training.preservation_policies
        best_one = policies.BestN(
            get_metric_fn=partial(score, metric=best),
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._orbax = checkpointer(
            self.directory,
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), best_one]
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
            good = last_good(self.directory, steps)
        if jax.process_count() > 1:
            good = int(multihost_utils.broadcast_one_to_all(np.int32(good)))
        for step in steps:
            if step > good:  # the resumed run writes this step again
                self._orbax.delete(step)

    def latest(self) -> int | None:
        """The step of the last finished checkpoint, or None if there is none."""
        latest = self._orbax.latest
        return None if latest is None else latest.step

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state saved at `step`, with the tree, shapes, types and shardings of
        `like`.

        Raises `UserError` if it cannot be loaded.
        """
        with report_damage(self.directory / str(step)):
            stored = self._orbax.metadata(step).metadata
            if not like.averages or "averages" in stored:
                return load(self._orbax, step, like)
            nets = dict(like.nets)
            for name in like.averages:
                total = {"count": like.step, "ema": nets[name]["params"]}
                nets[name] = {**nets[name], "ema": total}
            like = like._replace(nets=nets, averages={})
            state = load(self._orbax, step, like)
            nets, averages = of_version_0_1(state.nets, _decay(self.directory))
            return state._replace(nets=nets, averages=averages)

    def save(self, step: int, state: Any, metrics: dict[str, float] | None = None):
        """Begin to save `state`; `metrics` has what chooses the best checkpoint.

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
                f"({cause(error)}); if the disk is full, make room; the same "
                "command resumes from the last finished checkpoint"
            ) from error


def load_nets(
    workdir: epath.PathLike,
    step: Step = None,
    names: Sequence[str] | None = None,
) -> tuple[int, Nets]:
    """The step and the nets, as numpy arrays, of a run's checkpoint of `step`, or of
    its last one. A line reports the step of the "best" one.

    Only nets of these `names` are read, or all. Where a net has an average of its
    params, this takes their place. Arrays that are stored as float16 become float32.
    Raises `UserError` if there is no such checkpoint or it is damaged.
    """
    directory = checkpoints_of(workdir)
    if not directory.is_dir():
        raise UserError(f"{workdir}: no checkpoint here; is it the workdir of a run?")
    with report_damage(directory), checkpointer(directory) as orbax:
        steps = [checkpoint.step for checkpoint in orbax.checkpoints]
        if not steps:
            raise UserError(f"{workdir}: its training has not saved a checkpoint yet")
        if step == "best":
            step = best_step(workdir, orbax.checkpoints, _best(directory))
        if step is None:
            step = last_good(directory, steps)
        elif step not in steps:
            raise UserError(
                f"{workdir}: no checkpoint of step {step}; there are {steps}"
            )
        elif damage := checksums.verify(directory / str(step)):
            raise UserError(f"{directory / str(step)} is damaged: {damage}")
        with report_damage(directory / str(step)):
            stored = orbax.metadata(step).metadata
            if names is None:
                names = list(stored["nets"])
            like = {"nets": {name: stored["nets"][name] for name in names}}
            averages = stored.get("averages", {})
            if averages := {k: x for k, x in averages.items() if k in names}:
                like["averages"] = averages
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
            loaded = jax.tree.map(_to_single_precision, load(orbax, step, like))
    nets = loaded["nets"]
    if any("ema" in collections for collections in nets.values()):
        return step, averaged(*of_version_0_1(nets, _decay(directory)))
    return step, averaged(nets, loaded.get("averages", {}))


def _best(directory: epath.Path) -> str:
    """The metric that chooses the best checkpoint of a run."""
    section = (read_config(directory.parent) or {}).get("checkpoint", {})
    return section.get("best", "auc_balanced")


def _decay(directory: epath.Path) -> float:
    """The decay of the averages of a run that colorjax 0.1 trained."""
    config = read_config(directory.parent)
    return 0.0 if config is None else config["method"].get("ema", 0.0)


def save_nets(workdir: epath.PathLike, nets: dict[str, Any], step: int = 0) -> None:
    """Write nets without an optimizer state, as the checkpoint of `step`.

    Raises `OSError` if the disk of `workdir`, a local directory, has no room for them.
    """
    directory = checkpoints_of(workdir)
    # On a full disk Orbax prints a traceback for each array.
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(nets))
    if shutil.disk_usage(directory.parent).free < size:
        raise OSError(errno.ENOSPC, "No space left on device")
    with checkpointer(directory) as orbax:
        orbax.save(step, {"nets": nets})
    checksums.write_checksums(directory / str(step))


def _to_single_precision(array: np.ndarray) -> np.ndarray:
    """Packed runs store float16, which is too coarse to compute in."""
    return array.astype(np.float32) if array.dtype == np.float16 else array
