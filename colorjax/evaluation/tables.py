"""Results as tables: `text_table`, `markdown_table`, and their `cells`."""

import math

from colorjax.evaluation.engine import Value
from colorjax.evaluation.metrics import MEGABYTES, MILLISECONDS, columns
from colorjax.evaluation.results import ModelResults, Results


def text_table(results: Results) -> str:
    """A row for each model and baseline, a column for each metric that has a value."""
    return table(cells(results, intervals=False))


def markdown_table(results: Results) -> str:
    """The same table; half of its 95 % interval follows each value."""
    return table(cells(results, intervals=True))


def cells(results: Results, intervals: bool) -> dict[str, dict[str, str]]:
    """The values as text, by model, then by the title of the column.

    A column that is empty for all models is left out.
    """
    rows: dict[str, dict[str, str]] = {name: {} for name in results.models}
    for key, column in columns().items():
        texts = {
            name: _cell(model, key, column.decimals, intervals)
            for name, model in results.models.items()
        }
        if any(texts.values()):
            for name, text in texts.items():
                rows[name][column.title] = text
    return rows


def _cell(model: ModelResults, key: str, decimals: int, interval: bool) -> str:
    if key in (MEGABYTES, MILLISECONDS):
        number = _property(model, key)
        return "" if number is None else f"{number:.{decimals}f}"
    value = model.metrics.get(key)
    return "" if value is None else _text(value, decimals, interval)


def _property(model: ModelResults, key: str) -> float | None:
    """The size or the time of a model; a baseline has neither."""
    if model.provenance is None:
        return None
    if key == MEGABYTES:
        return 4 * model.provenance.parameters / 1e6
    return model.provenance.milliseconds


def _text(value: Value, decimals: int, interval: bool) -> str:
    if not math.isfinite(value.value):
        return "-"
    text = f"{value.value:.{decimals}f}"
    if interval and math.isfinite(value.low):
        text += f" ±{(value.high - value.low) / 2:.1g}"
    return text


def table(rows: dict[str, dict[str, str]]) -> str:
    """Rows of named cells as an aligned text table, which is Markdown too."""
    header = ["", *next(iter(rows.values()))]
    lines = [header, *([name, *cells.values()] for name, cells in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
