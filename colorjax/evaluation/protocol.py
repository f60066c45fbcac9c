"""How runs are measured: `Evaluation`, the `evaluation` section of a config, on which
pictures (`common_dataset`, `disjoint`), and what it gives, `Measured`."""

import hashlib
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float

from colorjax import config as configs
from colorjax.data.batches import Batch
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source, Subset
from colorjax.data.unreadable import UnreadableCounter
from colorjax.errors import UserError
from colorjax.evaluation.engine import Evaluated, Metric, Predictor, evaluate
from colorjax.progress import tracked
from colorjax.train.checkpoint import BEST
from colorjax.train.experiment import make_dataset
from colorjax.train.workdir import Run


@dataclass(frozen=True)
class Evaluation:
    """The `evaluation` section: every `every` steps (0: only at the end of training),
    in batches of `batch`, intervals from `replicates` bootstrap samples of the
    pictures. Of at most `grids` of the evaluations before the last one, evenly spread,
    pictures are kept."""

    every: int = 0
    batch: int = 100
    replicates: int = 200
    grids: int = 10

    def __post_init__(self):
        if self.batch < 1:
            raise UserError(f"evaluation.batch is {self.batch}, less than 1")
        if self.grids < 0:
            raise UserError(f"evaluation.grids is {self.grids}, less than 0")

    def pictured(self, step: int, steps: int) -> bool:
        """Whether the evaluation after `step` of `steps` keeps pictures."""
        if not (self.grids and self.due(step) and step < steps):
            return False
        spacing = math.ceil((steps - 1) // self.every / self.grids)
        return step // self.every % spacing == 0

    def due(self, step: int) -> bool:
        """Whether training evaluates after `step`."""
        return self.every > 0 and step % self.every == 0

    def whole_batch(self, mesh: Mesh) -> int:
        """`batch`, rounded up to what the devices divide; padding changes no figure."""
        return math.ceil(self.batch / mesh.size) * mesh.size

    def __call__(
        self,
        rows: dict[str, Predictor],
        metrics: dict[str, Metric],
        pictures: ImageDataset,
        split: str,
        mesh: Mesh,
        others: Source | None = None,
    ) -> "Measured":
        """Evaluate `rows` on a split; `others` are where `random` draws from."""
        source = pictures.source(split)
        batch = self.whole_batch(mesh)
        unreadable, fingerprint = UnreadableCounter(source, 1.0), Fingerprint()
        batches = single_pass(pictures, source, batch, f"evaluating {split}", others)
        batches = fingerprint.watch(unreadable.count(batches))
        result = evaluate(rows, metrics, batches, mesh, self.replicates)
        if unreadable.indices:
            print(unreadable, file=sys.stderr)
        settings = {}
        for metric in metrics.values():
            settings |= metric.settings
        count, digest = _over_processes(fingerprint)
        protocol = {
            "dataset": pictures.name or pictures.root,
            "split": split,
            "pictures": count,
            "sha256": f"{digest:016x}",
            "side": pictures.resize,
            "resize": "short side, bilinear, antialiased (Pillow), centre square",
            "replicates": self.replicates,
            "metrics": settings,
        }
        return Measured(protocol, result)


class Measured(NamedTuple):
    """What an evaluation found: how it was made, and of every row what it came to."""

    protocol: dict[str, Any]
    rows: dict[str, Evaluated]

    def labelled(self) -> bool:
        """Whether a classifier had labels to be judged by."""
        return any("top1" in row.figures for row in self.rows.values())

    def plain(self) -> dict[str, Any]:
        """The figures as JSON has them: what is not a number is null."""

        def number(value):
            return value if math.isfinite(value) else None

        rows = {
            name: {
                figure: {key: number(x) for key, x in value._asdict().items()}
                for figure, value in row.figures.items()
            }
            for name, row in self.rows.items()
        }
        return {"protocol": self.protocol, "rows": rows}


def make_evaluation(section: dict[str, Any]) -> Evaluation:
    """The evaluation that the `evaluation` section of a config describes."""
    return Evaluation(**configs.check_section("evaluation", Evaluation, section))


def single_pass(
    pictures: ImageDataset,
    source: Source,
    batch: int,
    label: str,
    others: Source | None = None,
):
    """This process's batches of every picture of `source`, with a progress line."""
    batches = pictures.single_pass(
        source,
        batch=batch,
        process=jax.process_index(),
        processes=jax.process_count(),
        others=others,
    )
    return tracked(batches, label, math.ceil(len(source) / batch))


def common_dataset(
    runs: dict[str, Run], given: dict[str, Any]
) -> tuple[ImageDataset, Float[np.ndarray, "313"] | None]:
    """The pictures to compare runs on, and their prior (None: it is to be estimated).

    They are the runs' own, which must be the same for all, unless `given`, keys of a
    `data` section, names others. Raises `UserError` where the runs' own differ.
    """
    first = next(iter(runs.values()))
    sections = {name: run.config["data"] for name, run in runs.items()}
    keys = (
        "name",
        "root",
        "train_split",
        "test_split",
        "holdout",
        "resize",
        "list",
    )
    foreign = "name" in given or "root" in given
    own = {k: v for k, v in first.config["data"].items() if k in (*keys, "data_dir")}
    if foreign:
        own = {key: own[key] for key in ("resize",) if key in own}
    pictures = make_dataset({**own, **given, "crop": 8})
    wanted = ("resize",) if foreign else keys
    for name, section in sections.items():
        theirs = make_dataset(section)
        for key in wanted:
            ours = getattr(pictures, key)
            if key not in given and getattr(theirs, key) != ours:
                raise UserError(
                    f"the runs have different pictures (data.{key} is {ours} for "
                    f"{next(iter(runs))}, {getattr(theirs, key)} for {name}); say "
                    f"which to compare them on: --data.{key}=..."
                )
    if foreign or {"resize", "train_split", "holdout"} & given.keys():
        return pictures, None
    priors = {name: x.prior for name, x in runs.items() if x.prior is not None}
    if not priors:
        return pictures, None
    known = next(iter(priors))
    for name, prior in priors.items():
        if not np.array_equal(prior, priors[known]):
            raise UserError(
                f"{name} has another prior than {known}: the pictures changed between "
                "them; train one anew"
            )
    return pictures, priors[known]


def disjoint(pictures: ImageDataset, split: str, count: int) -> Source:
    """At most `count` pictures spread over the training split, which is not `split`."""
    # Slices of one split may be disjoint, but that is not told from their names.
    train, own = (
        set(re.findall(r"[a-z]\w*", s)) for s in (pictures.train_split, split)
    )
    if train & own or split == "all":
        raise UserError(
            f"fid: the disjoint set is the training split '{pictures.train_split}', of "
            f"which '{split}' may have pictures; choose another --split"
        )
    source = pictures.source(pictures.train_split)
    count = min(count, len(source))
    return Subset(source, np.linspace(0, len(source) - 1, count, dtype=int).tolist())


def best_figure(metrics: dict[str, Any]) -> dict[str, float] | None:
    """What the best checkpoint is chosen by, or None where too few pixels gave it."""
    value = metrics["rows"]["this run"][BEST]["value"]
    return None if value is None else {BEST: value}


class Fingerprint:
    """A hash of the pixels of all pictures that pass, in whatever order they come."""

    def __init__(self):
        self.digest, self.pictures = 0, 0  # a sum, of 64 bits

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Hand the batches on, taking note of them."""
        for batch in batches:
            for i in np.flatnonzero(batch["mask"]):
                place = int(batch["index"][i]).to_bytes(8, "little")
                digest = hashlib.sha256(place + batch["image"][i].tobytes()).digest()
                self.digest += int.from_bytes(digest[:8], "little")
                self.pictures += 1
            self.digest %= 2**64
            yield batch


def _over_processes(fingerprint: Fingerprint) -> tuple[int, int]:
    """Count and hash of the pictures that all processes have seen."""
    words = [fingerprint.digest >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
    parts = np.array([fingerprint.pictures, *words], np.int32)
    if jax.process_count() > 1:  # arrays have 32 bits
        parts = multihost_utils.process_allgather(parts).sum(axis=0)
    count, *words = (int(x) for x in parts)
    return count, sum(word << 16 * i for i, word in enumerate(words)) % 2**64
