"""Evaluation: `evaluate` gives every metric of every row in one pass over pictures.

A `Metric` is a sum, then a function of the sum. `stats` gives, for each picture of a
batch, what is to be added up; the sums are taken under the batch's mask, across devices
and batches, so no result depends on batch size, padding or the number of devices. Every
sum is taken once plainly and once for each bootstrap replicate, with Poisson weights
that are a function of the picture's index, and `finalize` turns each into numbers. A
metric that is no sum (FID) has its stats kept, picture by picture, instead.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array

from colorjax.data.statistics import add_sums, weighted_sums
from colorjax.distributed import batch_sharding, replicated, shard_batch
from colorjax.errors import UserError
from colorjax.method import Examples, Prediction, to_examples

Stats = dict[str, Array]
Sums = dict[str, np.ndarray]


class Metric(NamedTuple):
    """`stats(prediction, examples)`: leaves [b ...]; `finalize(sums)`: numbers by name.

    `stats` may be a `jax.tree_util.Partial` whose arguments are the weights of a net.
    It gives {} for a prediction that it does not apply to. With `kept`, `finalize` gets
    the leaves of all pictures, [n ...] in their order, instead of sums. `settings` is
    what a reader must know to get the same figures.
    """

    stats: Callable[[Prediction, Examples], Stats]
    finalize: Callable[[Sums], dict[str, float]]
    kept: bool = False
    settings: Mapping[str, Any] = {}


class Predictor(NamedTuple):
    """One line of a table: a predictor from examples, and the nets it reads."""

    predict: Callable[[Any, Examples, Array], Prediction]
    nets: Any


class Value(NamedTuple):
    """A figure and its 95 % bootstrap interval over pictures (nan where it has
    none)."""

    value: float
    low: float
    high: float


class Evaluated(NamedTuple):
    """What a row came to: its figures, and by metric the plain sums or kept stats."""

    figures: dict[str, Value]
    stats: dict[str, Sums]


def method_predictor(predict: Callable, nets: Any) -> Predictor:
    """The row of a method: it sees L only."""
    return Predictor(lambda nets, e, key: predict(nets, e["lightness"], key), nets)


def grey_predictor() -> Predictor:
    """The baseline that predicts no colour at all."""
    return Predictor(lambda nets, e, key: Prediction(jnp.zeros_like(e["ab"])), {})


def original_predictor() -> Predictor:
    """The truth, which every figure is measured against."""
    return Predictor(lambda nets, e, key: Prediction(e["ab"]), {})


def bootstrap_weights(index: Array, replicates: int) -> Array:
    """[1 + replicates, b]: ones, then Poisson(1) counts that only the index decides."""
    key = jax.random.key(0)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
    draw = jax.vmap(lambda k: jax.random.poisson(k, 1.0, (replicates,)))(keys)
    ones = jnp.ones((1, len(index)))
    return jnp.concatenate([ones, draw.T.astype(jnp.float32)])


def evaluate(
    rows: dict[str, Predictor],
    metrics: dict[str, Metric],
    batches: Iterable[dict[str, np.ndarray]],
    mesh: Mesh,
    replicates: int = 200,
) -> dict[str, Evaluated]:
    """Every metric of every row, in one pass over the batches.

    Names of a row's figures are those that the metrics' `finalize` give.
    """
    whole, split = replicated(mesh), batch_sharding(mesh)

    def prepare(batch):
        weights = bootstrap_weights(batch["index"], replicates) * batch["mask"]
        return to_examples(batch), weights, (batch["index"], batch["mask"])

    prepare = jax.jit(prepare, in_shardings=split, out_shardings=(split, None, whole))
    predict = {
        name: jax.jit(row.predict, in_shardings=(whole, split, None))
        for name, row in rows.items()
    }
    # One program for all rows; the weights of a metric's net are arguments of it.
    measure = jax.jit(_measure, static_argnames="kept", out_shardings=whole)
    stats = {name: Partial(metric.stats) for name, metric in metrics.items()}
    kept = tuple(name for name, metric in metrics.items() if metric.kept)
    nets = {name: jax.device_put(row.nets, whole) for name, row in rows.items()}
    sums: dict[str, Any] = dict.fromkeys(rows)
    parts: dict[str, list[Any]] = {name: [] for name in rows}
    order = []
    for batch in batches:
        examples, weights, (index, mask) = prepare(shard_batch(batch, mesh))
        read = np.asarray(mask) > 0
        order.append(np.asarray(index)[read])
        for name in rows:
            prediction = predict[name](nets[name], examples, jax.random.key(0))
            added, single = measure(stats, weights, prediction, examples, kept=kept)
            sums[name] = add_sums(sums[name], added)
            single = jax.device_get(single)
            parts[name].append(jax.tree.map(lambda x, read=read: x[read], single))
    if not sum(map(len, order)):
        raise UserError("evaluation: the split has no picture that can be read")

    by_index = np.argsort(np.concatenate(order))
    result = {}
    for name in rows:
        joined = jax.tree.map(lambda *x: np.concatenate(x)[by_index], *parts[name])
        figures = {}
        for key, metric in metrics.items():
            if metric.kept and joined[key]:
                figures |= {
                    figure: Value(float(value), np.nan, np.nan)
                    for figure, value in metric.finalize(joined[key]).items()
                }
            elif not metric.kept and sums[name][key]:
                figures |= _values(metric, sums[name][key])
        plain = jax.tree.map(lambda x: x[0], sums[name])
        result[name] = Evaluated(figures, {**plain, **joined})
    return result


def _measure(stats, weights, prediction, examples, kept):
    found = {name: stat(prediction, examples) for name, stat in stats.items()}
    single = {name: found.pop(name) for name in kept}
    return weighted_sums(weights, found), single


def _values(metric: Metric, sums: Sums) -> dict[str, Value]:
    replicates = len(next(iter(sums.values())))
    with np.errstate(divide="ignore", invalid="ignore"):  # a figure may have no pixel
        figures = [
            metric.finalize({k: v[r] for k, v in sums.items()})
            for r in range(replicates)
        ]
    values = {}
    for name, value in figures[0].items():
        spread = np.array([f[name] for f in figures[1:]] or [value])
        known = spread[np.isfinite(spread)]
        low, high = np.percentile(known, [2.5, 97.5]) if known.size else (np.nan,) * 2
        values[name] = Value(float(value), float(low), float(high))
    return values
