"""Results of an evaluation: `Results`, the typed record in metrics.json and
evaluation.json.

Fields of the records are named after the keys in these files.
"""

import dataclasses
import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from etils import epath

from colorjax import files
from colorjax.errors import UserError
from colorjax.evaluation.engine import Evaluated, Value
from colorjax.train.checksums import hash_nets
from colorjax.train.workdir import Run

THIS_RUN = "this run"  # the name of the trained model in metrics.json
PACKAGES = ("colorjax", "jax", "flax", "numpy", "pillow")


@dataclass(frozen=True)
class Protocol:
    """How the metrics were computed; only equal protocols give comparable values.

    `pictures` is the number of evaluated images, `sha256` the hash of their pixels,
    `side` their size in pixels, `metrics` the settings of each metric. `overlap` counts
    the images that a run has trained on, by its name; it is None where there are none.
    """

    dataset: str | None
    split: str
    pictures: int
    sha256: str
    side: int
    resize: str
    replicates: int
    metrics: dict[str, Any]
    overlap: dict[str, int] | None = None


@dataclass(frozen=True)
class RunProvenance:
    """What a model from a run is: its weights, method, training data and software.

    `sha256` is the hash of the weights, `source` the source.json of a converted run,
    `seed` that of a stochastic method, `milliseconds` the time for one image on
    `device`, if it was measured.
    """

    step: int
    sha256: str
    parameters: int
    method: dict[str, Any]
    trained_on: dict[str, Any]
    init_from: str
    versions: dict[str, str]
    device: str
    source: dict[str, Any] | None = None
    seed: int | None = None
    milliseconds: float | None = None

    def __post_init__(self):
        if not isinstance(self.parameters, int):  # a file may hold anything
            raise TypeError(f"parameters is {self.parameters!r}")
        if not isinstance(self.milliseconds, float | None):
            raise TypeError(f"milliseconds is {self.milliseconds!r}")

    @classmethod
    def of(cls, run: Run, seed: int, milliseconds: float | None) -> "RunProvenance":
        """The provenance of a run that is evaluated by this process."""
        digest, parameters = hash_nets(run.nets)
        return cls(
            step=run.step,
            sha256=digest,
            parameters=parameters,
            method=run.config["method"],
            trained_on=run.config["data"],
            init_from=run.config["init_from"],
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
            device=jax.devices()[0].device_kind,
            source=run.source,
            seed=seed if run.method.stochastic else None,
            milliseconds=milliseconds,
        )


@dataclass(frozen=True)
class ModelResults:
    """The metrics of a model, and what it is; a baseline has no `provenance`."""

    metrics: dict[str, Value]
    provenance: RunProvenance | None


@dataclass(frozen=True)
class Results:
    """The metrics of models and baselines, by name, under one protocol."""

    protocol: Protocol
    models: dict[str, ModelResults]

    @classmethod
    def of(
        cls,
        protocol: Protocol,
        evaluated: Mapping[str, Evaluated],
        runs: Mapping[str, Run],
        seed: int = 0,
        milliseconds: Mapping[str, float] | None = None,
    ) -> "Results":
        """The results of predictors; those that are not among `runs` are baselines.

        `seed` is that of stochastic methods. `milliseconds` has the time of each run
        for an image, if it was measured.
        """
        times = milliseconds or {}
        provenance = {
            name: RunProvenance.of(run, seed, times.get(name))
            for name, run in runs.items()
        }
        models = {
            name: ModelResults(x.metrics, provenance.get(name))
            for name, x in evaluated.items()
        }
        return cls(protocol, models)

    @property
    def runs(self) -> list[str]:
        """The names of the models that come from runs."""
        return [name for name, model in self.models.items() if model.provenance]

    def to_json(self) -> dict[str, Any]:
        """The content of the file; a value that is not finite is null."""
        rows, provenance = {}, {}
        for name, model in self.models.items():
            rows[name] = {key: _value_to_json(x) for key, x in model.metrics.items()}
            provenance[name] = (
                record_to_json(model.provenance)
                if model.provenance
                else {"baseline": name}
            )
        protocol = record_to_json(self.protocol)
        return {"protocol": protocol, "rows": rows, "provenance": provenance}

    @classmethod
    def from_json(cls, content: Any) -> "Results":
        """The record of a file's content.

        Raises `AttributeError`, `KeyError`, `TypeError` or `ValueError` where it is
        something else.
        """
        models = {}
        for name, row in content["rows"].items():
            metrics = {key: _value_from_json(x) for key, x in row.items()}
            origin = content["provenance"][name]
            is_baseline = origin == {"baseline": name}
            provenance = None if is_baseline else RunProvenance(**origin)
            models[name] = ModelResults(metrics, provenance)
        return cls(Protocol(**content["protocol"]), models)


def _value_to_json(value: Value) -> dict[str, float | None]:
    return {
        key: number if math.isfinite(number) else None
        for key, number in value._asdict().items()
    }


def _value_from_json(value: Mapping[str, Any]) -> Value:
    numbers = (value[key] for key in Value._fields)
    return Value(*(math.nan if x is None else float(x) for x in numbers))


def record_to_json(record: Any) -> dict[str, Any]:
    """A record as a mapping, without an optional field that is None."""
    content = dataclasses.asdict(record)
    optional = {x.name for x in dataclasses.fields(record) if x.default is None}
    return {k: x for k, x in content.items() if x is not None or k not in optional}


def write_results(path: epath.PathLike, results: Results) -> None:
    """Write metrics.json or evaluation.json."""
    files.write_json(path, results.to_json())


def read_results(path: epath.PathLike) -> Results | None:
    """Read metrics.json or evaluation.json; None where there is no such file.

    Raises `UserError` where the file holds something else.
    """
    content = files.read_json(path)
    if content is None:
        return None
    try:
        return Results.from_json(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a result of train.py or evaluate.py ({error!r})"
        ) from error


def merge(results: Results, path: epath.PathLike) -> Results:
    """`results` with the models of an earlier evaluation.json, listed before its own.

    A model in both keeps its place in the file and has the metrics of `results`. Raises
    `UserError` where the file cannot be read, or its protocol differs; the message
    lists the differences.
    """
    earlier = read_results(path)
    if earlier is None:
        raise UserError(f"--add: {path}: No such file")
    before = record_to_json(earlier.protocol)
    now = json.loads(json.dumps(record_to_json(results.protocol)))
    if differences := _differences(before, now):
        raise UserError(
            f"--add: {path} was made by another protocol ({'; '.join(differences)}); "
            "evaluate its models again"
        )
    return Results(results.protocol, {**earlier.models, **results.models})


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """One text a value that differs, with its path in the protocol."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}")
        ]
    return [] if before == now else [f"{name.removeprefix('.')}: {before} / {now}"]


def best_metric(results: Results, name: str) -> dict[str, float] | None:
    """The metric `name`, which chooses the best checkpoint of this run.

    None where it is undefined, because no class has enough pixels, or because the
    method gives no distribution.
    """
    metric = results.models[THIS_RUN].metrics.get(name)
    return {name: metric.value} if metric and math.isfinite(metric.value) else None
