"""What a reader looks at after an evaluation: the page and the scores of single images.

The page shows the table, strips of images with maps of their error, histograms of ab,
scores of single images, and the protocol. The models predict its few images once more.
"""

import csv
import io
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source
from colorjax.errors import counted
from colorjax.evaluation.engine import Evaluated, Predictor, Sums
from colorjax.evaluation.metrics import HISTOGRAM, SCORES
from colorjax.evaluation.metrics.image import recolor
from colorjax.evaluation.report import FAR, render
from colorjax.evaluation.results import Results
from colorjax.evaluation.tables import cells, columns_of
from colorjax.method import image_keys, to_examples

SPREAD = 8  # images on the page that are spread over the split
EXTREME = 4  # worst images on the page for each model, and as many best ones
LISTED = 500  # images whose scores are on the page; the CSV file has all


class Strip(NamedTuple):
    """One image by model: its name, the colorized images, the distances in ab."""

    name: str
    images: dict[str, UInt8[np.ndarray, "h w 3"]]
    errors: dict[str, Float[np.ndarray, "h w"]]


def gallery(
    predictors: dict[str, Predictor],
    evaluated: dict[str, Evaluated],
    results: Results,
    dataset: ImageDataset,
    source: Source,
    seed: int = 0,
) -> tuple[str, str, list[str]]:
    """The page, the scores of all images as CSV, and a message for each predictor that
    predicts NaN or infinity.

    `evaluated` are the predictors' metrics on `source`, a split of `dataset`; `results`
    may contain more models. `seed` is that of the evaluation.
    """
    scores = {name: x.stats[SCORES] for name, x in evaluated.items()}
    index = next(iter(scores.values()))["index"]
    runs = [name for name in results.runs if name in predictors]
    spread = index[np.linspace(0, len(index) - 1, min(SPREAD, len(index)), dtype=int)]
    sections = {"Spread over the split": spread}
    for name in runs:
        order = index[np.argsort(scores[name]["auc"])]  # NaN is last
        sections[f"Worst of {name}"] = order[:EXTREME]
        sections[f"Best of {name}"] = order[::-1][:EXTREME]
    shown = sorted({int(i) for indices in sections.values() for i in indices})
    models = {name: predictors[name] for name in runs}
    strips = _strips(models, dataset, source, shown, seed)
    table = _table(scores, index, source)
    rows = cells(results, intervals=True)
    titles = next(iter(rows.values()))
    page = render(
        "evaluation/report.html.j2",
        title=f"Evaluation of {', '.join(runs)}",
        protocol=results.protocol,
        columns=[x for x in columns_of(results).values() if x.title in titles],
        rows=rows,
        sections={k: [strips[int(i)] for i in part] for k, part in sections.items()},
        far=FAR,
        histograms={k: x.stats[HISTOGRAM]["pixels"] for k, x in evaluated.items()},
        scores=table[:LISTED],
        content=results.to_json(),
    )
    return page, _csv(table), _not_finite(scores, index, source)


def _strips(
    predictors: dict[str, Predictor],
    dataset: ImageDataset,
    source: Source,
    indices: list[int],
    seed: int,
) -> dict[int, Strip]:
    """By index of an image: grey, what each predictor makes of it, and the original."""
    examples = jax.jit(to_examples)(dataset.batch_of(source, indices))
    keys = image_keys(seed, examples["index"])
    ab = {"grey": jnp.zeros_like(examples["ab"])}
    for name, predictor in predictors.items():
        predict = jax.jit(predictor.predict)
        ab[name] = predict(predictor.nets, examples, keys).ab
    images = {
        name: _to_uint8(recolor(examples, colors))
        for name, colors in {**ab, "original": examples["ab"]}.items()
    }
    errors = {
        name: np.linalg.norm(np.asarray(colors - examples["ab"]), axis=-1)
        for name, colors in ab.items()
    }
    return {
        index: Strip(
            source.name(index),
            {name: batch[n] for name, batch in images.items()},
            {name: batch[n] for name, batch in errors.items()},
        )
        for n, index in enumerate(indices)
    }


def _to_uint8(rgb: Float[Array, "b h w 3"]) -> UInt8[np.ndarray, "b h w 3"]:
    return np.round(255 * np.nan_to_num(rgb)).astype(np.uint8)


def _table(
    scores: dict[str, Sums], index: np.ndarray, source: Source
) -> list[dict[str, str]]:
    """A line for each image: its name, and its scores by predictor."""
    return [
        {"index": str(i), "picture": source.name(int(i))}
        | {
            f"{name} {score}": f"{stats[score][n]:.5g}"
            for score in ("auc", "psnr", "colourfulness")
            for name, stats in scores.items()
        }
        for n, i in enumerate(index)
    ]


def _csv(table: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0])
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _not_finite(
    scores: dict[str, Sums], index: np.ndarray, source: Source
) -> list[str]:
    """A message for each predictor with predictions that are not finite."""
    messages = []
    for predictor, stats in scores.items():
        names = [source.name(int(i)) for i in index[stats["nan"] > 0]]
        if names:
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            images = counted(len(names), "image")
            messages.append(
                f"{predictor}: the prediction of {images} is not finite ({listed}); "
                "metrics that need them are left empty"
            )
    return messages
