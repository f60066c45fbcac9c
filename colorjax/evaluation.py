"""Evaluation: masked sums over a split, `masked_sums`, and metrics of them, `evaluate`.

A `Metric` is a sum, then a function of the sum. `stats` gives, for each picture of a
batch, what is to be added up; the sums are taken under the batch's mask, across devices
and batches, so no result depends on batch size, padding or the number of devices. Every
sum is taken once plainly and once for each bootstrap replicate, with Poisson weights
that are a function of the picture's index, and `finalize` turns each into numbers.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from colorjax.errors import UserError
from colorjax.method import Examples, Prediction, to_examples
from colorjax.sharding import replicated, split_by_example, to_devices

Stats = dict[str, Array]
Sums = dict[str, np.ndarray]


class Metric(NamedTuple):
    """`stats(prediction, examples)`: leaves [b ...]; `finalize(sums)`: numbers by
    name."""

    stats: Callable[[Prediction, Examples], Stats]
    finalize: Callable[[Sums], dict[str, float]]


class Row(NamedTuple):
    """One line of a table: a predictor and the nets it reads."""

    predict: Callable[[Any, Array, Array], Prediction]
    nets: Any


class Value(NamedTuple):
    """A figure and its 95 % bootstrap interval over pictures."""

    value: float
    low: float
    high: float


def grey_row() -> Row:
    """The baseline that predicts no colour at all."""

    def predict(nets, lightness, key):
        return Prediction(jnp.zeros((*lightness.shape[:-1], 2)))

    return Row(predict, {})


def masked_sums(
    stats: Callable[[Any, Examples], Any],
    nets: Any,
    batches: Iterable[dict[str, np.ndarray]],
    mesh: Mesh,
    replicates: int = 0,
) -> Any:
    """Sum `stats(nets, examples)`, a tree of [b ...], over batches: [1 + replicates
    ...].

    Row 0 is the sum under the mask, the others are bootstrap replicates. Sums of a
    batch are float32 on the device, their total float64 on the host.
    """

    def batch_sums(nets, batch):
        weights = bootstrap_weights(batch["index"], replicates) * batch["mask"]

        def add(leaf):
            flat = leaf.reshape(len(leaf), -1)
            total = jnp.matmul(weights, flat, precision=jax.lax.Precision.HIGHEST)
            return total.reshape(-1, *leaf.shape[1:])

        return jax.tree.map(add, stats(nets, to_examples(batch)))

    compiled = jax.jit(
        batch_sums,
        in_shardings=(replicated(mesh), split_by_example(mesh)),
        out_shardings=replicated(mesh),
    )
    total = None
    for batch in batches:
        sums = jax.device_get(compiled(nets, to_devices(batch, mesh)))
        sums = jax.tree.map(lambda x: x.astype(np.float64), sums)
        total = sums if total is None else jax.tree.map(np.add, total, sums)
    if total is None:
        raise UserError("evaluation: the split has no pictures")
    return total


def bootstrap_weights(index: Array, replicates: int) -> Array:
    """[1 + replicates, b]: ones, then Poisson(1) counts that only the index decides."""
    key = jax.random.key(0)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
    draw = jax.vmap(lambda k: jax.random.poisson(k, 1.0, (replicates,)))(keys)
    ones = jnp.ones((1, len(index)))
    return jnp.concatenate([ones, draw.T.astype(jnp.float32)])


def evaluate(
    rows: dict[str, Row],
    metrics: dict[str, Metric],
    batches: Iterable[dict[str, np.ndarray]],
    mesh: Mesh,
    replicates: int = 200,
) -> dict[str, dict[str, Value]]:
    """Every metric of every row, in one pass over the batches.

    Names of a row's figures are those that the metrics' `finalize` give.
    """

    def stats(nets, examples):
        key = jax.random.key(0)
        result = {}
        for name, row in rows.items():
            prediction = row.predict(nets[name], examples["lightness"], key)
            result[name] = {
                m: metric.stats(prediction, examples) for m, metric in metrics.items()
            }
        return result

    nets = {name: row.nets for name, row in rows.items()}
    sums = masked_sums(stats, nets, batches, mesh, replicates)
    return {
        name: {
            figure: value
            for m, metric in metrics.items()
            for figure, value in _values(metric, sums[name][m]).items()
        }
        for name in rows
    }


def _values(metric: Metric, sums: Sums) -> dict[str, Value]:
    replicates = len(next(iter(sums.values())))
    figures = [
        metric.finalize({k: v[r] for k, v in sums.items()}) for r in range(replicates)
    ]
    values = {}
    for name, value in figures[0].items():
        spread = np.array([f[name] for f in figures[1:]] or [value])
        known = spread[np.isfinite(spread)]
        low, high = np.percentile(known, [2.5, 97.5]) if known.size else (np.nan,) * 2
        values[name] = Value(float(value), float(low), float(high))
    return values
