"""The directory of a run: `Workdir`, in which it trains, and `Run`, which `load_run`
reads back."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from jaxtyping import Float

from colorjax import config as configs
from colorjax import files
from colorjax.data.pipeline import ImageDataset
from colorjax.data.statistics import color_statistics
from colorjax.errors import UserError, counted
from colorjax.method import Method, Nets
from colorjax.pretrained import ddcolor, efficientnet_lite
from colorjax.progress import report
from colorjax.train.checkpoint import Checkpoints, load_nets
from colorjax.train.experiment import (
    Experiment,
    Inference,
    make_dataset,
    make_inference,
    make_method,
    set_options,
)
from colorjax.train.lock import Lock
from colorjax.train.records import (
    read_config,
    read_prior,
    restore_manifests,
    write_manifests,
    write_prior,
)
from colorjax.train.storage import Step

# The run that comes with colorjax
STARTER = epath.Path(__file__).parent.parent / "starter"
SOURCE = "source.json"  # beside the config.json of a converted run
CLASSIFIERS = {  # the layouts of such sources, and the configs that train from them
    efficientnet_lite.LAYOUT: "configs/starter.py",
    ddcolor.ENCODER_LAYOUT: "configs/ddcolor.py",
}


@dataclass(frozen=True)
class Workdir:
    """The directory of a run while it trains; no other process may train in it.

    `batch` is the global batch in which a new run estimates its `prior`; `saved_prior`
    is that of a run which began before.
    """

    path: epath.Path
    experiment: Experiment
    batch: int
    saved_prior: Float[np.ndarray, "313"] | None
    checkpoints: Checkpoints
    lock: Lock | None

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, path: epath.PathLike, experiment: Experiment, batch: int
    ) -> Iterator["Workdir"]:
        """Make or open the directory of an experiment.

        The directory belongs to the experiment once `record` has been called. Raises
        `UserError` if another process trains in the directory, if it holds a run of
        another config, or if the images of its run cannot be restored.
        """
        path = files.expand(path)
        splits = experiment.data.splits
        with contextlib.ExitStack() as stack:
            first_process = jax.process_index() == 0
            if first_process:
                stack.callback(_remove_empty, path)
            lock = stack.enter_context(Lock(path)) if first_process else None
            config, prior = read_config(path), read_prior(path)
            if config is None:
                prior = None  # of a failed start, which may have had other images
            else:
                configs.check_same(config, experiment.config, path)
                for name, changes in restore_manifests(path, splits).items():
                    report(f"{path}: {name}: since the run began, {changes}")
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices("workdir read")
            checkpoints = Checkpoints(path, **experiment.config["checkpoint"])
            if jax.process_count() == 1:  # else close could wait for a dead process
                stack.callback(checkpoints.close)
            yield cls(path, experiment, batch, prior, checkpoints, lock)

    @cached_property
    def prior(self) -> Float[np.ndarray, "313"]:
        """The frequencies of the color bins in the training split.

        A new run computes them in one pass over its images. Raises `UserError` if none
        of these can be read or all are grey.
        """
        if self.saved_prior is not None:
            return self.saved_prior
        data = self.experiment.data
        batches = data.single_pass(self.batch, "estimating the prior")
        colors = color_statistics(batches, self.experiment.mesh)
        if not colors.colored:
            dataset = self.experiment.dataset
            raise UserError(
                f"data: all {counted(colors.images, 'image')} of the training split of "
                f"{dataset.name or dataset.root} are grey, so nothing can be learned "
                "from them; train on color photographs"
            )
        return colors.prior

    def record(self) -> None:
        """Write the config, the prior and the list of images of the run.

        Only then is the directory taken; a start that fails before it leaves nothing.
        """
        if jax.process_index() == 0:
            write_prior(self.path, self.prior)
            write_manifests(self.path, self.experiment.data.splits)
            files.write_json(self.path / "config.json", self.experiment.config)

    def check_lock(self) -> None:
        """Raise `UserError` if another process has taken over the directory."""
        if self.lock is not None:
            self.lock.check()

    def save_bad_batch(self, step: int) -> epath.Path:
        """Write the batch of `step`, finish all checkpoints, and return the path."""
        path = self.path / f"bad_batch_{jax.process_index()}.npz"
        files.write_arrays(path, self.experiment.data.batch_of(step))
        self.checkpoints.close()
        return path


def _remove_empty(path: epath.Path) -> None:
    """Remove the directory of a local run if nothing was written to it."""
    for folder in (path / "checkpoints", path):
        with contextlib.suppress(OSError):
            if "://" not in str(path):  # buckets have no empty directories
                os.rmdir(folder)


class Run(NamedTuple):
    """A run: its config, its parts, and the nets of one of its checkpoints that
    predict (`Method.serves`).

    `source` describes the origin of a run that `colorjax convert` made. Such a run has
    no `prior`, because the frequencies of the colors in its training data are unknown.
    """

    config: dict[str, Any]
    dataset: ImageDataset
    prior: Float[np.ndarray, "313"] | None
    method: Method
    nets: Nets
    step: int
    source: dict[str, Any] | None = None

    @property
    def inference(self) -> Inference:
        """How the run colorizes pictures."""
        return make_inference(self.config.get("inference", {}), self.dataset.resize)


def locate_run(workdir: epath.PathLike) -> epath.Path:
    """The path of a run; the name `starter` is the run that comes with colorjax,
    unless a run has that path."""
    path = files.expand(workdir)
    named = str(workdir) == "starter" and not (path / "config.json").exists()
    return STARTER if named else path


def load_run(
    workdir: epath.PathLike = STARTER,
    step: Step = None,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """Read a run, or the one that comes with colorjax, with its checkpoint of `step`,
    its "best" one, or its last one.

    `options` change those of its method that may change (`Method.options`), by key.
    Raises `UserError` if the directory has no run or its files are damaged, or if an
    option cannot change.
    """
    workdir = locate_run(workdir)
    config, prior = read_config(workdir), read_prior(workdir)
    path = epath.Path(workdir) / SOURCE
    source = files.read_json(path)
    if config is None or (prior is None and source is None):
        raise UserError(
            f"{workdir}: no config.json and prior.npy here; give the workdir of a run "
            "that train.py or colorjax convert made"
        )
    if options:
        config = config | {"method": set_options(config["method"], options)}
    method = make_method(config["method"])
    step, nets = load_nets(workdir, step, method.serves)
    dataset = make_dataset(config["data"])
    make_inference(config.get("inference", {}), dataset.resize)  # a mistake is reported
    return Run(config, dataset, prior, method, nets, step, source)


def check_trained(run: Run, workdir: epath.PathLike) -> None:
    """Raise `UserError` for a run that `colorjax convert` made of a classifier.

    Its decoder, which makes the colors, has random weights or none.
    """
    config = CLASSIFIERS.get((run.source or {}).get("layout", ""))
    if config:
        raise UserError(
            f"{workdir}: the decoder of this run has not been trained, only its "
            f"classifier; train it: python train.py --config={config} "
            f"--config.init_from={shlex.quote(str(workdir))}"
        )


def name_runs(workdirs: Sequence[str]) -> dict[str, str]:
    """Workdirs by the names of their directories, or by path if names repeat."""
    short = {epath.Path(path).name: path for path in workdirs}
    return short if len(short) == len(workdirs) else {path: path for path in workdirs}
