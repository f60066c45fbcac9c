"""What hints bring: each image is predicted without hints and with some of its own.

The hints act as they do in use: through the network if it takes them, and when its
prediction is decoded. The baseline `grey` has no network; its hints spread over a grey
image.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.data.batches import Batch
from colorjax.data.pipeline import ImageDataset
from colorjax.distributed import gather_rows
from colorjax.evaluation.baselines import GREY
from colorjax.evaluation.engine import (
    Evaluated,
    Value,
    bootstrap_weights,
    method_predictor,
)
from colorjax.evaluation.hint_scores import Model, draw_hints, scores_of
from colorjax.evaluation.protocol import Evaluation, Evenly
from colorjax.evaluation.results import Protocol
from colorjax.evaluation.simulation import SETTINGS
from colorjax.method import HINTS, to_examples
from colorjax.train.workdir import Run


def add_hints(
    conditions: Protocol,
    evaluated: Mapping[str, Evaluated],
    runs: Mapping[str, Run],
    counts: Sequence[int],
    evaluation: Evaluation,
    dataset: ImageDataset,
    split: str,
    batch: int,
    seed: int,
) -> tuple[Protocol, dict[str, Evaluated]]:
    """An evaluation on a split with the values of `hint_values` besides its own."""
    source = evaluation.chosen(dataset.source(split))
    batches = dataset.single_pass(source, batch, f"hints for {split}")
    if isinstance(source, Evenly):
        batches = source.number(batches)
    values = hint_values(runs, counts, batches, evaluation.replicates, seed)
    settings = conditions.metrics | {"hints": SETTINGS}
    models = {
        name: own._replace(metrics=own.metrics | values.get(name, {}))
        for name, own in evaluated.items()
    }
    return dataclasses.replace(conditions, metrics=settings), models


def hint_values(
    runs: Mapping[str, Run],
    counts: Sequence[int],
    batches: Iterable[Batch],
    replicates: int,
    seed: int,
) -> dict[str, dict[str, Value]]:
    """The values of runs, and of hints on grey images, by name.

    - `psnr@K`: the PSNR with K hints, for each K of `counts`;
    - `hint_error`: the mean distance of ab from the hints, of the largest count;
    - `hint_range`: the mean distance in pixels, from one hint, of the pixels that it
      changes by more than `CHANGED`.

    Of several processes, each predicts its own part of the batches, and all return the
    values of all images. Raises `UserError` for more hints than cells.
    """
    models = {name: _model(run) for name, run in runs.items()}
    models["grey"] = Model(jax.jit(GREY.predict), GREY.nets)
    names = [*(f"psnr@{count}" for count in counts), "hint_error", "hint_range"]
    scores = {name: [np.zeros((0, len(names)), np.float32)] for name in models}
    indices = [np.zeros(0, np.int32)]
    for batch in batches:
        valid = np.flatnonzero(batch["mask"])
        if not len(valid):
            continue
        batch = {name: np.asarray(x)[valid] for name, x in batch.items()}
        indices.append(batch["index"])
        hinted = draw_hints(batch, {0, 1, *counts}, seed)
        examples = jax.jit(to_examples)(batch)
        for name, model in models.items():
            own = scores_of(model, examples, hinted, counts, seed)
            columns = [own[column] for column in names]
            scores[name].append(np.stack(columns, axis=-1).astype(np.float32))
    index = gather_rows(np.concatenate(indices))
    order = np.argsort(index)
    weights = np.asarray(bootstrap_weights(jnp.asarray(index[order]), replicates))
    values = {}
    for name, parts in scores.items():
        columns = gather_rows(np.concatenate(parts))[order].T
        pairs = zip(names, columns, strict=True)
        values[name] = {column: _mean(own, weights) for column, own in pairs}
    return values


def _model(run: Run) -> Model:
    predictor = method_predictor(run.method, run.nets)
    takes = run.method.inputs & HINTS
    predict = jax.jit(predictor.predict)
    return Model(predict, predictor.nets, run.method.temperature, takes)


def _mean(
    scores: Float[np.ndarray, "n"], weights: Float[np.ndarray, "rows n"]
) -> Value:
    """The mean of the scores of images, with its interval over the rows but the first,
    which has the weight 1 for all images. NaN does not count."""
    known = np.isfinite(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = weights[:, known]
        means = (own @ scores[known]) / own.sum(1)
    spread = means[1:][np.isfinite(means[1:])]
    low, high = np.percentile(spread, [2.5, 97.5]) if spread.size else (np.nan,) * 2
    return Value(float(means[0]), float(low), float(high))
