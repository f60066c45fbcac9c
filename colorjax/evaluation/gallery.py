"""What a person looks at after an evaluation: `gallery` makes the page and the scores.

It predicts again the few pictures that are shown.
"""

import csv
import io

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source
from colorjax.evaluation.engine import Predictor
from colorjax.evaluation.metrics import HISTOGRAM, SCORES
from colorjax.evaluation.metrics.image import recolor
from colorjax.evaluation.protocol import Measured
from colorjax.evaluation.report import Strip, page
from colorjax.evaluation.results import Comparison
from colorjax.method import to_examples

SPREAD, EXTREME = 8, 4  # pictures shown: evenly over the split; worst and best of a run
LISTED = 500  # pictures whose scores stand on the page; all are in the CSV file


def gallery(
    rows: dict[str, Predictor],
    measured: Measured,
    results: Comparison,
    pictures: ImageDataset,
    source: Source,
) -> tuple[str, str, list[str]]:
    """The page, the scores of all pictures as CSV, and what is wrong with rows.

    `rows` are those of `measured`, in which the names of runs come before baselines;
    `results` may have more.
    """
    scores = {name: row.stats[SCORES] for name, row in measured.rows.items()}
    index = next(iter(scores.values()))["index"]
    runs = [name for name in rows if "sha256" in results["provenance"][name]]
    spread = index[np.linspace(0, len(index) - 1, min(SPREAD, len(index)), dtype=int)]
    chosen = {"Spread over the split": spread}
    for name in runs:
        order = index[np.argsort(scores[name]["auc"])]  # what is no number comes last
        chosen[f"Worst of {name}"] = order[:EXTREME]
        chosen[f"Best of {name}"] = order[::-1][:EXTREME]
    wanted = sorted({int(i) for indices in chosen.values() for i in indices})
    strips = _strips({name: rows[name] for name in runs}, pictures, source, wanted)
    table = _table(scores, index, source)
    titles = {title: [strips[int(i)] for i in found] for title, found in chosen.items()}
    histograms = {
        name: row.stats[HISTOGRAM]["pixels"] for name, row in measured.rows.items()
    }
    html = page(
        f"Evaluation of {', '.join(runs)}", results, titles, histograms, table[:LISTED]
    )
    return html, _csv(table), _strange(scores, index, source)


def _strips(
    rows: dict[str, Predictor],
    pictures: ImageDataset,
    source: Source,
    wanted: list[int],
) -> dict[int, Strip]:
    """Grey, what each of `rows` makes of it, and the original, by index."""
    examples = jax.jit(to_examples)(pictures.batch_of(source, wanted))
    colors = {"grey": jnp.zeros_like(examples["ab"])}
    for name, row in rows.items():
        predict = jax.jit(row.predict)
        colors[name] = predict(row.nets, examples, jax.random.key(0)).ab
    shown = {
        name: np.uint8(np.round(255 * np.nan_to_num(recolor(examples, ab))))
        for name, ab in {**colors, "original": examples["ab"]}.items()
    }
    errors = {
        name: np.linalg.norm(np.asarray(ab - examples["ab"]), axis=-1)
        for name, ab in colors.items()
    }
    return {
        index: Strip(
            source.name(index),
            {name: made[n] for name, made in shown.items()},
            {name: error[n] for name, error in errors.items()},
        )
        for n, index in enumerate(wanted)
    }


def _table(scores, index, source) -> list[dict[str, str]]:
    """A line a picture: its name, and the scores of every row."""
    return [
        {"index": str(i), "picture": source.name(int(i))}
        | {
            f"{row} {score}": f"{found[score][n]:.5g}"
            for score in ("auc", "psnr", "colourfulness")
            for row, found in scores.items()
        }
        for n, i in enumerate(index)
    ]


def _csv(table: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0])
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _strange(scores, index, source) -> list[str]:
    """A line for every row with predictions that are not numbers."""
    lines = []
    for row, found in scores.items():
        bad = [source.name(int(i)) for i in index[found["nan"] > 0]]
        if bad:
            listed = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
            lines.append(
                f"{row}: the prediction of {len(bad)} pictures is not a number "
                f"({listed}); its figures that need them are left empty"
            )
    return lines
