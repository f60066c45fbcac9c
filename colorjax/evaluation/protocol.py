"""How runs are evaluated: `Evaluation`, which is the `evaluation` section of a config;
and on which images: `common_dataset`, `disjoint`."""

import hashlib
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float

from colorjax import config as configs
from colorjax.data.batches import Batch
from colorjax.data.folder import resolve
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source, Subset
from colorjax.data.unreadable import UnreadableCounter
from colorjax.errors import UserError
from colorjax.evaluation.engine import Evaluated, Metric, Predictor, evaluate
from colorjax.evaluation.results import Protocol
from colorjax.train.experiment import make_dataset
from colorjax.train.workdir import Run

RESIZE = "short side, bilinear, antialiased (Pillow), centre square"


@dataclass(frozen=True)
class Evaluation:
    """The `evaluation` section of a config.

    - `every`: steps between evaluations during training; 0: only after the last step;
    - `batch`: images in a batch;
    - `replicates`: bootstrap samples of the images, for the intervals;
    - `limit`: how many images, spread evenly over the split; None: all;
    - `grids`: how many of the evaluations before the last one write a grid of images,
      at most; these are spread evenly.
    """

    every: int = 0
    batch: int = 100
    replicates: int = 200
    grids: int = 10
    limit: int | None = None

    def __post_init__(self):
        if self.batch < 1:
            raise UserError(f"evaluation.batch is {self.batch}, less than 1")
        if self.grids < 0:
            raise UserError(f"evaluation.grids is {self.grids}, less than 0")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"evaluation.limit is {self.limit}, less than 1")

    def due(self, step: int) -> bool:
        """Whether training evaluates after `step`."""
        return self.every > 0 and step % self.every == 0

    def writes_grid(self, step: int, steps: int) -> bool:
        """Whether the evaluation after `step` of `steps` writes a grid of images."""
        if not (self.grids and self.due(step) and step < steps):
            return False
        spacing = math.ceil((steps - 1) // self.every / self.grids)
        return step // self.every % spacing == 0

    def whole_batch(self, mesh: Mesh) -> int:
        """`batch`, rounded up to a multiple of the devices.

        The additional examples are padding, which changes no metric.
        """
        return math.ceil(self.batch / mesh.size) * mesh.size

    def chosen(self, source: Source) -> Source:
        """The images of a split that are evaluated."""
        return source if self.limit is None else Evenly(source, self.limit)

    def __call__(
        self,
        predictors: dict[str, Predictor],
        metrics: dict[str, Metric],
        dataset: ImageDataset,
        split: str,
        mesh: Mesh,
        others: Source | None = None,
        seed: int = 0,
    ) -> tuple[Protocol, dict[str, Evaluated]]:
        """Evaluate predictors on a split; the protocol, and by name what they achieve.

        The baseline `random` draws its images from `others`. `seed` is that of
        stochastic methods. The index of an image is its place in the split, whatever
        the limit is.
        """
        source = self.chosen(dataset.source(split))
        batch = self.whole_batch(mesh)
        unreadable, fingerprint = UnreadableCounter(source, 1.0), Fingerprint()
        batches = dataset.single_pass(source, batch, f"evaluating {split}", others)
        batches = unreadable.count(batches)
        if isinstance(source, Evenly):
            batches = source.number(batches)
        batches = fingerprint.update(batches)
        evaluated = evaluate(predictors, metrics, batches, mesh, self.replicates, seed)
        if unreadable.indices:
            print(unreadable, file=sys.stderr)
        settings: dict[str, Any] = {}
        for metric in metrics.values():
            settings |= metric.settings
        count, digest = _over_processes(fingerprint)
        protocol = Protocol(
            dataset=dataset.name or dataset.root,
            split=split,
            pictures=count,
            sha256=f"{digest:016x}",
            side=dataset.resize,
            resize=RESIZE,
            replicates=self.replicates,
            metrics=settings,
        )
        return protocol, evaluated


class Evenly(Subset):
    """At most `count` images, spread evenly over a source."""

    def __init__(self, source: Source, count: int):
        count = min(count, len(source))
        places = np.linspace(0, len(source) - 1, count, dtype=int)
        super().__init__(source, places.tolist())

    def number(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, with the index that each image has in the source."""
        for batch in batches:
            last = len(self.indices) - 1  # what is beyond it is padding
            places = np.minimum(batch["index"], last)
            yield batch | {"index": np.asarray(self.indices, np.int32)[places]}


def make_evaluation(section: dict[str, Any]) -> Evaluation:
    """The evaluation that the `evaluation` section of a config describes."""
    return Evaluation(**configs.check_section("evaluation", Evaluation, section))


# Keys of a `data` section that must be equal where runs are compared.
COMPARED = ("name", "root", "train_split", "test_split", "holdout", "resize", "list")


def common_dataset(
    runs: dict[str, Run], overrides: dict[str, Any]
) -> tuple[ImageDataset, Float[np.ndarray, "313"] | None]:
    """The data set on which to compare runs, and its prior.

    It is the data set of the runs, with `overrides` of keys of their `data` section. If
    the overrides name another data set, only `resize` comes from the runs. The prior is
    None where no run has one of this data set. Raises `UserError` where the runs
    differ in a key that is not overridden, or in their prior.
    """
    first = next(iter(runs.values()))
    foreign = _is_foreign(overrides, first.config["data"])
    compared = ("resize",) if foreign else COMPARED
    inherited = compared if foreign else (*compared, "data_dir", "max_unmatched")
    section = {k: v for k, v in first.config["data"].items() if k in inherited}
    dataset = make_dataset({**section, **overrides, "crop": 8})
    for name, run in runs.items():
        other = make_dataset(run.config["data"])
        for key in compared:
            ours, theirs = getattr(dataset, key), getattr(other, key)
            if key not in overrides and theirs != ours:
                raise UserError(
                    f"the runs have different data sets (data.{key} is {ours} for "
                    f"{next(iter(runs))}, {theirs} for {name}); say which to compare "
                    f"them on: --data.{key}=..."
                )
    if foreign or {"resize", "train_split", "holdout"} & overrides.keys():
        return dataset, None
    return dataset, _common_prior(runs)


def _is_foreign(overrides: dict[str, Any], section: dict[str, Any]) -> bool:
    """Whether the overrides name another data set than the `data` section of a run.

    The folder of the run, however it is spelled, is not foreign: its images are divided
    as the run divided them.
    """
    if "name" in overrides or "root" not in overrides or not section.get("root"):
        return "name" in overrides or "root" in overrides
    roots = (resolve(root) for root in (overrides["root"], section["root"]))
    return len({os.path.realpath(root) for root in roots}) > 1


def _common_prior(runs: dict[str, Run]) -> Float[np.ndarray, "313"] | None:
    """The prior of all runs that have one; `UserError` where two runs differ."""
    priors = {name: run.prior for name, run in runs.items() if run.prior is not None}
    if not priors:
        return None
    first, expected = next(iter(priors.items()))
    for name, prior in priors.items():
        if not np.array_equal(prior, expected):
            raise UserError(
                f"{name} has another prior than {first}: the images changed between "
                "them; train one of them again"
            )
    return expected


def disjoint(dataset: ImageDataset, split: str, count: int) -> Evenly:
    """At most `count` images, spread evenly over the training split.

    Raises `UserError` where `split` may contain images of the training split.
    """
    # Slices of one split may be disjoint, but their names do not show it.
    train, own = (set(re.findall(r"[a-z]\w*", s)) for s in (dataset.train_split, split))
    if train & own or split == "all":
        raise UserError(
            f"fid: the disjoint set is the training split '{dataset.train_split}', and "
            f"'{split}' may contain some of its images; choose another --split"
        )
    return Evenly(dataset.source(dataset.train_split), count)


class Fingerprint:
    """A hash of the pixels of all images, which does not depend on their order."""

    def __init__(self):
        self.digest, self.images = 0, 0  # a sum of 64 bits

    def update(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches, adding their images to the hash."""
        for batch in batches:
            for i in np.flatnonzero(batch["mask"]):
                index = int(batch["index"][i]).to_bytes(8, "little")
                digest = hashlib.sha256(index + batch["image"][i].tobytes()).digest()
                self.digest += int.from_bytes(digest[:8], "little")
                self.images += 1
            self.digest %= 2**64
            yield batch


def _over_processes(fingerprint: Fingerprint) -> tuple[int, int]:
    """The number and the hash of the images of all processes."""
    words = [fingerprint.digest >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
    parts = np.array([fingerprint.images, *words], np.int32)
    if jax.process_count() > 1:  # JAX's arrays have 32 bits
        parts = multihost_utils.process_allgather(parts).sum(axis=0)
    count, *words = (int(x) for x in parts)
    return count, sum(word << 16 * i for i, word in enumerate(words)) % 2**64
