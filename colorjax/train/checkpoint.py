"""Checkpoints through Orbax: `Checkpoints` for a run, `load_nets` for its users,
`save_nets` for nets that no run trained.

Orbax loads what it finds, flipped bytes and all. So a finished checkpoint is sealed
(`train/checksums.py`), and one that is no longer as it was written is passed over for
the last that is.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from colorjax import runtime
from colorjax.errors import UserError
from colorjax.train import checksums

BEST = "auc_balanced"  # the figure by which the best checkpoint is chosen

# Orbax tells 25 lines a save, and an error that it raises five times with a traceback.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


class Checkpoints:
    """The `checkpoints/` of a run: the last `keep`, and the best one ever evaluated.

    `every` is how many steps lie between two. Saving is asynchronous; a checkpoint that
    a killed process left unfinished is never seen by the next one. Opening them removes
    damaged ones after the last good one, saying so, and raises `UserError` where all
    are damaged.
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
        self._orbax = ocp.training.Checkpointer(
            self.directory,
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), best]
            ),
            cleanup_tmp_directories=True,
        )
        self._remove_damaged()
        self._sealer = ThreadPoolExecutor(1)
        self._sealing: Future | None = None

    def _remove_damaged(self):
        steps = [checkpoint.step for checkpoint in self._orbax.checkpoints]
        good = max(steps, default=0)
        if jax.process_index() == 0 and steps:
            good = _last_good(self.directory, steps)
        if jax.process_count() > 1:
            good = int(multihost_utils.broadcast_one_to_all(np.int32(good)))
        for step in steps:
            if step > good:  # in the way of those to come
                self._orbax.delete(step)

    def latest(self) -> int | None:
        """The step of the last finished checkpoint, or None where there is none."""
        latest = self._orbax.latest
        return None if latest is None else latest.step

    def restore(self, step: int, like: Any, sharding: jax.sharding.Sharding) -> Any:
        """The state saved at `step`, with the structure and shapes of `like`."""
        like = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like
        )
        with _fitting(self.directory / str(step)):
            return self._orbax.load(step, like)

    def save(self, step: int, state: Any, metrics: dict[str, float] | None = None):
        """Begin to save; what went wrong with the one before is raised here."""
        self._guarded(self._wait)
        if self.latest() == step:
            return
        response = self._guarded(
            lambda: self._orbax.save_async(step, state, force=True, metrics=metrics)
        )

        def finish():
            response.result()
            if jax.process_index() == 0:
                checksums.write_checksums(self.directory / str(step))
            runtime.trim_malloc()

        self._sealing = self._sealer.submit(finish)

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._guarded(self._wait)
        self._guarded(self._orbax.close)

    def _wait(self):
        if self._sealing is not None:
            self._sealing.result()

    def _guarded(self, action):
        try:
            return action()
        except jax.errors.JaxRuntimeError:  # the state, not the disk: a lost process
            raise
        except Exception as error:  # tensorstore has no class for a full disk
            raise UserError(
                f"{self.directory}: a checkpoint could not be written "
                f"({_first_line(error)}); if the disk is full, make room; started "
                "again, the same command goes on from the last finished one"
            ) from error


def load_nets(
    workdir: epath.PathLike, step: int | None = None
) -> tuple[int, dict[str, Any]]:
    """The step and the nets, as numpy arrays, of a run's checkpoint (the last one).

    What is stored in half precision comes as float32.
    """
    directory = _directory(workdir)
    if not directory.is_dir():
        raise UserError(f"{workdir}: no checkpoint here; is it the workdir of a run?")
    with _fitting(directory), ocp.training.Checkpointer(directory) as orbax:
        steps = [checkpoint.step for checkpoint in orbax.checkpoints]
        if not steps:
            raise UserError(f"{workdir}: its training has not saved a checkpoint yet")
        if step is None:
            step = _last_good(directory, steps)
        elif step not in steps:
            raise UserError(
                f"{workdir}: no checkpoint of step {step}; there are {steps}"
            )
        elif broken := checksums.verify(directory / str(step)):
            raise UserError(f"{directory / str(step)} is damaged: {broken}")
        with _fitting(directory / str(step)):
            stored = orbax.metadata(step).metadata["nets"]
            like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), stored)
            context = ocp.Context()
            context.pytree.loading.partial_load = True
            with context:
                nets = orbax.load(step, {"nets": like})["nets"]
    return step, jax.tree.map(_single, nets)


def save_nets(workdir: epath.PathLike, nets: dict[str, Any], step: int = 0) -> None:
    """Write nets that are not to be trained on here, as the checkpoint of `step`.

    Raises `OSError` where the local disk has no room for them.
    """
    directory = _directory(workdir)
    # On a full disk Orbax shows a traceback an array, so see that there is room.
    room = directory.parent / "room"
    room.write_bytes(bytes(sum(leaf.nbytes for leaf in jax.tree.leaves(nets))))
    room.unlink()
    with ocp.training.Checkpointer(directory) as orbax:
        orbax.save(step, {"nets": nets})
    checksums.write_checksums(directory / str(step))


def _single(array: np.ndarray) -> np.ndarray:
    """Half precision, in which nets are given away, is none to compute in."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _last_good(directory: epath.Path, steps: Sequence[int]) -> int:
    """The last checkpoint that is as it was written; damaged ones after it are told."""
    damaged = []
    for step in sorted(steps, reverse=True):
        broken = checksums.verify(directory / str(step))
        if broken is None:
            for line in damaged:
                print(f"{line}; going back to that of step {step}", file=sys.stderr)
            return step
        damaged.append(f"{directory / str(step)} is damaged: {broken}")
    raise UserError(
        f"{damaged[0]}; no checkpoint of this run is as it was written: restore them "
        "from a copy, or begin anew in another --workdir"
    )


@contextlib.contextmanager
def _fitting(path: epath.Path) -> Iterator[None]:
    """Tell in one line of what is at `path` that Orbax cannot load."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Orbax raises whatever the files provoke
        raise UserError(
            f"{path} cannot be loaded ({_first_line(error.__cause__ or error)}); it is "
            "damaged, or of another version of colorjax: remove it to go on from the "
            "one before"
        ) from error


def _directory(workdir: epath.PathLike) -> epath.Path:
    path = epath.Path(workdir)
    if "://" not in str(path):
        path = path.absolute()  # Orbax takes no other
    return path / "checkpoints"


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line.rsplit('": ', 1)[-1][:200]  # after the long name of a temporary file
