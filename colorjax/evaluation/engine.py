"""One pass over a data set that measures models: `evaluate`.

A `Metric` is a sum over images and a function of that sum. `stats` gives the terms of
each image in a batch. `evaluate` adds them up under the batch's mask, over all devices
and batches, so that no value depends on batch size, padding or the number of devices.

A stochastic method gets one key for each image, which depends only on the index of the
image in its data set and on the seed.

Each sum is computed once plainly and once for each bootstrap replicate. A replicate
weighs each image by a Poisson count that depends only on the index of the image. A
metric that is not a function of a sum (FID) gets the stats of every image instead.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from colorjax.data.statistics import add_sums, weighted_sums
from colorjax.distributed import batch_sharding, replicated, shard_batch
from colorjax.errors import UserError
from colorjax.method import (
    OPTIONAL,
    Examples,
    Keys,
    Method,
    Prediction,
    image_keys,
    to_examples,
)
from colorjax.nets import winograd

VISIBLE = OPTIONAL | {"lightness"}  # entries of the examples that methods may see
Stats = dict[str, Array]
Sums = dict[str, np.ndarray]


class Metric(NamedTuple):
    """`stats(prediction, examples)` gives leaves [b ...], `finalize(sums)` the values.

    `finalize` returns values by name. `stats` may be a `jax.tree_util.Partial` whose
    arguments are the weights of a network, and returns {} for a prediction that the
    metric does not apply to. With `per_image`, `finalize` gets the stats of all images,
    leaves [n ...] in the order of their index, instead of sums. `settings` is what a
    reader must know to reproduce the values.
    """

    stats: Callable[..., Stats]
    finalize: Callable[[Sums], dict[str, Any]]
    per_image: bool = False
    settings: Mapping[str, Any] = {}


class Predictor(NamedTuple):
    """A model or a baseline: `predict(nets, examples, keys)`, and its `nets`.

    A model reads only `VISIBLE` entries of the examples; a baseline may read more.
    """

    predict: Callable[[Any, Examples, Keys], Prediction]
    nets: Any


class Value(NamedTuple):
    """The value of a metric and its 95 % bootstrap interval over images.

    NaN stands for a value that is undefined and for an interval that does not exist.
    """

    value: float
    low: float
    high: float


class Evaluated(NamedTuple):
    """The metrics of one predictor, and by metric its plain sums or per-image stats."""

    metrics: dict[str, Value]
    stats: dict[str, Sums]


def method_predictor(method: Method, nets: Any) -> Predictor:
    """The predictor of a method. It sees only the inputs that the method names, and no
    hints unless the examples have these.

    Raises `UserError` where one of these is not among `VISIBLE`.
    """
    if hidden := sorted(method.inputs - VISIBLE):
        raise UserError(
            f"evaluation: the method takes the input '{hidden[0]}', and an evaluation "
            f"shows a method only {', '.join(sorted(VISIBLE))}"
        )

    def predict(nets, examples, keys):
        names = method.inputs - (OPTIONAL - examples.keys())
        inputs = {name: examples[name] for name in names}
        return method.predict(nets, inputs, keys)

    return Predictor(predict, winograd.prepare(nets))


def bootstrap_weights(
    index: Int[Array, "b"], replicates: int
) -> Float[Array, "{replicates}+1 b"]:
    """Weights of images: a row of ones, then one of Poisson(1) counts per replicate.

    The counts depend only on the index of an image.
    """
    key = jax.random.key(0)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
    draw = jax.vmap(lambda k: jax.random.poisson(k, 1.0, (replicates,)))(keys)
    ones = jnp.ones((1, len(index)))
    return jnp.concatenate([ones, draw.T.astype(jnp.float32)])


def evaluate(
    predictors: dict[str, Predictor],
    metrics: dict[str, Metric],
    batches: Iterable[dict[str, np.ndarray]],
    mesh: Mesh,
    replicates: int = 200,
    seed: int = 0,
) -> dict[str, Evaluated]:
    """Every metric of every predictor, in one pass over the batches.

    `seed` is that of the noise of stochastic methods.
    The names of the values are those that the metrics' `finalize` returns. Raises
    `UserError` where no image of the batches can be read.
    """
    whole, split = replicated(mesh), batch_sharding(mesh)

    def prepare(batch):
        weights = bootstrap_weights(batch["index"], replicates) * batch["mask"]
        keys = image_keys(seed, batch["index"])
        return to_examples(batch), keys, weights, (batch["index"], batch["mask"])

    prepare = jax.jit(
        prepare, in_shardings=split, out_shardings=(split, split, None, whole)
    )
    predict = {
        name: jax.jit(x.predict, in_shardings=(whole, split, split))
        for name, x in predictors.items()
    }
    # All predictors share one program; the weights of a metric's network are arguments.
    measure = jax.jit(_measure, static_argnames="per_image", out_shardings=whole)
    stats = {name: _argument(metric.stats) for name, metric in metrics.items()}
    per_image = tuple(name for name, metric in metrics.items() if metric.per_image)
    nets = {name: jax.device_put(x.nets, whole) for name, x in predictors.items()}
    sums: dict[str, Any] = dict.fromkeys(predictors)
    parts: dict[str, list[Any]] = {name: [] for name in predictors}
    indices = []
    for batch in batches:
        examples, keys, weights, (index, mask) = prepare(shard_batch(batch, mesh))
        valid = np.asarray(mask) > 0
        indices.append(np.asarray(index)[valid])
        for name in predictors:
            prediction = predict[name](nets[name], examples, keys)
            batch_sums, part = measure(
                stats, weights, prediction, examples, per_image=per_image
            )
            sums[name] = add_sums(sums[name], batch_sums)
            part = jax.device_get(part)
            parts[name].append(jax.tree.map(lambda x, valid=valid: x[valid], part))
    if not sum(map(len, indices)):
        raise UserError("evaluation: the split has no image that can be read")
    order = np.argsort(np.concatenate(indices))
    return {
        name: _finalize(
            metrics,
            sums[name],
            jax.tree.map(lambda *x: np.concatenate(x)[order], *parts[name]),
        )
        for name in predictors
    }


def _argument(stats: Callable[..., Stats]) -> Partial:
    """The stats of a metric as an argument of a compiled program.

    A Partial inside of another would hide its arguments, and make them constants.
    """
    return stats if isinstance(stats, Partial) else Partial(stats)


def _measure(stats, weights, prediction, examples, per_image):
    """Weighted sums of a batch's stats, and the stats of the `per_image` metrics."""
    computed = {name: stat(prediction, examples) for name, stat in stats.items()}
    single = {name: computed.pop(name) for name in per_image}
    return weighted_sums(weights, computed), single


def _finalize(
    metrics: dict[str, Metric], sums: dict[str, Sums], per_image: dict[str, Sums]
) -> Evaluated:
    """The values of one predictor; leaves of `sums` are [1 + replicates ...]."""
    values = {}
    for name, metric in metrics.items():
        if metric.per_image and per_image[name]:
            values |= {
                key: Value(float(value), np.nan, np.nan)
                for key, value in metric.finalize(per_image[name]).items()
            }
        elif not metric.per_image and sums[name]:
            values |= _bootstrap(metric, sums[name])
    plain = jax.tree.map(lambda x: x[0], sums)
    return Evaluated(values, {**plain, **per_image})


def _bootstrap(metric: Metric, sums: Sums) -> dict[str, Value]:
    """The values of the first row of the sums, with intervals over the other rows."""
    rows = len(next(iter(sums.values())))
    with np.errstate(divide="ignore", invalid="ignore"):  # a sum of no pixel is 0
        estimates = [
            metric.finalize({k: v[row] for k, v in sums.items()}) for row in range(rows)
        ]
    values = {}
    for name, value in estimates[0].items():
        spread = np.array([x[name] for x in estimates[1:]] or [value])
        known = spread[np.isfinite(spread)]
        low, high = np.percentile(known, [2.5, 97.5]) if known.size else (np.nan,) * 2
        values[name] = Value(float(value), float(low), float(high))
    return values
