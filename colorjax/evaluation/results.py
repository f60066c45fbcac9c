"""Results of several rows side by side: `comparison`, `merge`, and tables of them.

A comparison is what `metrics.json` and `evaluation.json` hold: "protocol", how the
figures were made, the same for all; "rows", from a name to figures with intervals;
"provenance", what each row is.
"""

import importlib.metadata
import json
from typing import Any, NamedTuple

import jax
from etils import epath

from colorjax import files
from colorjax.errors import UserError
from colorjax.evaluation.protocol import Measured
from colorjax.train.checksums import hash_nets
from colorjax.train.workdir import Run

Comparison = dict[str, Any]


class Column(NamedTuple):
    """A figure in a table: its title, its decimals, and what a reader should know."""

    title: str
    decimals: int
    meaning: str


COLUMNS = {  # the paper's Table 1 first, then today's
    "megabytes": Column("model MB", 1, "parameters, as float32"),
    "auc": Column("AuC", 4, "area under the share of pixels within an ab distance"),
    "auc_rebalanced": Column("AuC rebal.", 4, "the same, weighted by 1 / prior"),
    "auc_left_out": Column("left out", 4, "share of pixels that AuC rebal. leaves out"),
    "top1": Column("top-1", 4, "of the classifier, on the recoloured pictures"),
    "top5": Column("top-5", 4, "the same, among its five likeliest classes"),
    "auc_balanced": Column("AuC bal.", 4, "mean over classes of 100 pixels or more"),
    "psnr": Column("PSNR", 2, "dB, mean over pictures"),
    "ssim": Column("SSIM", 4, "mean over pictures"),
    "rmse_ab": Column("RMSE ab", 2, "ab units, per channel"),
    "lpips": Column("LPIPS", 4, "learned distance to the original"),
    "chroma_ratio": Column("chroma", 3, "mean distance from grey / the originals'"),
    "colourfulness": Column("colourf.", 2, "Hasler and Suesstrunk, as published"),
    "colourfulness_absolute": Column("abs. colourf.", 2, "its absolute variant"),
    "colourfulness_difference": Column("d colourf.", 2, "published, minus originals'"),
    "fid_same": Column("FID same", 2, "to the originals of the same pictures"),
    "fid_disjoint": Column("FID disj.", 2, "to a disjoint set of originals"),
    "nll": Column("NLL", 3, "nats a pixel, of the distribution before decoding"),
    "ece": Column("ECE", 3, "calibration error of that distribution"),
}


def comparison(measured: Measured, runs: dict[str, Run | None]) -> Comparison:
    """Figures with their protocol and provenance; `runs` has None for baselines."""
    found = measured.plain()
    return {
        **found,
        "provenance": {
            name: {"baseline": name} if run is None else provenance(run)
            for name, run in runs.items()
        },
    }


def provenance(run: Run) -> dict[str, Any]:
    """What a run's figures are of: weights, method, data, versions, device."""
    digest, parameters = hash_nets(run.nets)
    packages = ("colorjax", "jax", "flax", "numpy", "pillow")
    return {
        "step": run.step,
        "sha256": digest,
        "parameters": parameters,
        "method": run.config["method"],
        "trained_on": run.config["data"],
        "init_from": run.config["init_from"],
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "device": jax.devices()[0].device_kind,
        **({} if run.source is None else {"source": run.source}),
    }


def merge(results: Comparison, path: epath.PathLike) -> Comparison:
    """`results` with the rows of an earlier comparison, whose protocol is the same.

    Of rows of one name those of `results` stay. Raises `UserError`, listing the
    differences, where the protocols differ.
    """
    earlier = files.read_json(path)
    if earlier is None:
        raise UserError(f"--add: {path}: No such file")
    try:
        before, rows = earlier["protocol"], earlier["rows"]
        origins = dict(earlier["provenance"])
        for name, row in rows.items():
            origins[name].get("parameters")
            for value in row.values():
                _text(value, 1, interval=True)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"--add: {path}: not a result of evaluate.py ({error})"
        ) from error
    now = json.loads(json.dumps(results["protocol"]))
    if differences := _differences(before, now):
        raise UserError(
            f"--add: {path} was made by another protocol ({'; '.join(differences)}); "
            "evaluate its rows again"
        )
    return {
        **results,
        "rows": {**rows, **results["rows"]},
        "provenance": {**origins, **results["provenance"]},
    }


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}")
        ]
    return [] if before == now else [f"{name.removeprefix('.')}: {before} / {now}"]


def text_table(results: Comparison) -> str:
    """The comparison as text: rows as in Table 1, a column for each known figure."""
    return table(cells(results, intervals=False))


def markdown_table(results: Comparison) -> str:
    """The same with half of each 95 % interval."""
    return table(cells(results, intervals=True))


def cells(results: Comparison, intervals: bool) -> dict[str, dict[str, str]]:
    """The figures as text, by row, then by the title of the column; a column that no
    row fills is left out."""

    def cell(row, key):
        if key == "megabytes":
            count = results["provenance"].get(row, {}).get("parameters")
            return "" if count is None else f"{4 * count / 1e6:.1f}"
        value = results["rows"][row].get(key)
        if value is None:
            return ""
        return _text(value, COLUMNS[key].decimals, intervals)

    columns = {
        column.title: {row: cell(row, key) for row in results["rows"]}
        for key, column in COLUMNS.items()
    }
    shown = [title for title, values in columns.items() if any(values.values())]
    return {
        row: {title: columns[title][row] for title in shown} for row in results["rows"]
    }


def _text(value: dict[str, Any], decimals: int, interval: bool) -> str:
    if value["value"] is None:
        return "-"
    text = f"{value['value']:.{decimals}f}"
    if interval and value["low"] is not None:
        text += f" ±{(value['high'] - value['low']) / 2:.1g}"
    return text


def table(rows: dict[str, dict[str, str]]) -> str:
    """Rows of named cells as an aligned text table that is Markdown too."""
    header = ["", *next(iter(rows.values()))]
    lines = [header, *([name, *cells.values()] for name, cells in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
