"""The directory of a run: `Run` and `load`, which reads it back, and its
`Evaluation`."""

import json
import math
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh
from jaxtyping import Float
from optax import GradientTransformation

from colorjax import config as configs
from colorjax import methods, optim
from colorjax.checkpoint import BEST, load_nets
from colorjax.data import Pictures, Source, Unreadable
from colorjax.errors import UserError
from colorjax.evaluation import Row, Value, evaluate
from colorjax.evaluators import standard
from colorjax.method import Method, Nets
from colorjax.report import table, tracked


class Run(NamedTuple):
    """A trained run: its config, its parts, and the nets of one of its checkpoints."""

    config: dict[str, Any]
    pictures: Pictures
    prior: Float[np.ndarray, "313"]
    method: Method
    nets: Nets
    step: int


def make_method(section: dict[str, Any], prior: Float[np.ndarray, "313"]) -> Method:
    """The method that the `method` section of a config describes."""
    section = dict(section)
    build = methods.builder(section.pop("name", None))
    return build(prior, **configs.check_section("method", build, section, ["prior"]))


def make_pictures(section: dict[str, Any]) -> Pictures:
    """The pictures that the `data` section of a config describes."""
    return Pictures(**configs.check_section("data", Pictures, section))


def make_optimizer(section: dict[str, Any], steps: int) -> GradientTransformation:
    """The optimizer that the `optimizer` section of a config describes."""
    section = configs.check_section("optimizer", optim.adam, section, ["steps"])
    return optim.adam(steps, **section)


def make_evaluation(section: dict[str, Any]) -> "Evaluation":
    """The evaluation that the `evaluation` section of a config describes."""
    return Evaluation(**configs.check_section("evaluation", Evaluation, section))


def read_config(workdir: epath.PathLike) -> dict[str, Any] | None:
    """The config that a workdir was started with, or None where there is none yet."""
    path = epath.Path(workdir) / "config.json"
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error})") from error


def read_prior(workdir: epath.PathLike) -> Float[np.ndarray, "313"] | None:
    """The prior that a run was started with, or None where there is none yet."""
    path = epath.Path(workdir) / "prior.npy"
    if not path.exists():
        return None
    with path.open("rb") as file:
        return np.load(file)


def load(workdir: epath.PathLike, step: int | None = None) -> Run:
    """Read a run back: its last checkpoint, or that of `step`."""
    config, prior = read_config(workdir), read_prior(workdir)
    if config is None or prior is None:
        raise UserError(
            f"{workdir}: no config.json and prior.npy here; give the workdir of a run "
            "that train.py made"
        )
    step, nets = load_nets(workdir, step)
    method = make_method(config["method"], prior)
    return Run(config, make_pictures(config["data"]), prior, method, nets, step)


@dataclass(frozen=True)
class Evaluation:
    """The `evaluation` section: every `every` steps (0: only at the end of training),
    in batches of `batch`, intervals from `replicates` bootstrap samples of the
    pictures."""

    every: int = 0
    batch: int = 100
    replicates: int = 200

    def __post_init__(self):
        if self.batch < 1:
            raise UserError(f"evaluation.batch is {self.batch}, less than 1")

    def due(self, step: int) -> bool:
        """Whether training evaluates after `step`."""
        return self.every > 0 and step % self.every == 0

    def whole_batch(self, mesh: Mesh) -> int:
        """`batch`, rounded up to what the devices divide; padding changes no figure."""
        return math.ceil(self.batch / mesh.size) * mesh.size

    def __call__(
        self,
        rows: dict[str, Row],
        pictures: Pictures,
        split: str,
        prior: Float[np.ndarray, "313"],
        mesh: Mesh,
    ) -> dict[str, Any]:
        """Evaluate `rows` on a split: what `metrics.json` holds."""
        source = pictures.source(split)
        batch = self.whole_batch(mesh)
        unreadable = Unreadable(source, 1.0)
        batches = single_pass(pictures, source, batch, f"evaluating {split}")
        batches = unreadable.watch(batches)
        figures = evaluate(rows, standard(prior), batches, mesh, self.replicates)
        if unreadable.indices:
            print(unreadable, file=sys.stderr)
        read = len(source) - len(unreadable.indices)
        return {"split": split, "pictures": read, "rows": _plain(figures)}


def single_pass(pictures: Pictures, source: Source, batch: int, label: str):
    """This process's batches of every picture of `source`, with a progress line."""
    batches = pictures.single_pass(
        source,
        batch=batch,
        process=jax.process_index(),
        processes=jax.process_count(),
    )
    return tracked(batches, label, math.ceil(len(source) / batch))


def _plain(figures: dict[str, dict[str, Value]]) -> dict[str, Any]:
    """Figures as JSON has them: what is not a number is null."""

    def plain(value):
        figures = value._asdict().items()
        return {key: x if math.isfinite(x) else None for key, x in figures}

    return {
        row: {name: plain(value) for name, value in values.items()}
        for row, values in figures.items()
    }


def metrics_table(metrics: dict[str, Any]) -> str:
    """The figures of `metrics.json` as text, each with half its 95 % interval."""

    def cell(value):
        if None in value.values():
            return "-"
        half = (value["high"] - value["low"]) / 2
        return f"{value['value']:.4g} ±{half:.1g}"

    rows = {
        row: {name: cell(value) for name, value in values.items()}
        for row, values in metrics["rows"].items()
    }
    return table(rows)


def best_figure(metrics: dict[str, Any]) -> dict[str, float] | None:
    """What the best checkpoint is chosen by, or None where too few pixels gave it."""
    value = metrics["rows"]["this run"][BEST]["value"]
    return None if value is None else {BEST: value}
