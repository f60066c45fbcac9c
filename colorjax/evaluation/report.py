"""The evaluation page: `page`; and what other pages use: `render`, `bin_chart`.

The page is one HTML file that needs no other. It shows the table, strips of images with
maps of their error, histograms of ab, scores of single images, and the protocol.
"""

import base64
import functools
import json
from typing import Any, NamedTuple

import jax.numpy as jnp
import jinja2
import numpy as np
from jaxtyping import Float, UInt8

from colorjax import images
from colorjax.color import lab_to_rgb
from colorjax.evaluation.metrics import columns
from colorjax.evaluation.results import Results
from colorjax.evaluation.tables import cells
from colorjax.quantize import GRID, ab_bins

FAR = 75.0  # distance in ab that is white in an error map


class Strip(NamedTuple):
    """One image by model: its name, the colorized images, the distances in ab."""

    name: str
    images: dict[str, UInt8[np.ndarray, "h w 3"]]
    errors: dict[str, Float[np.ndarray, "h w"]]


def page(
    title: str,
    results: Results,
    strips: dict[str, list[Strip]],
    histograms: dict[str, Float[np.ndarray, "313"]],
    scores: list[dict[str, str]],
) -> str:
    """The HTML of the page.

    `strips` has lists by heading, `histograms` the pixels of each bin by model, and
    `scores` a line for each image, by the title of the column.
    """
    rows = cells(results, intervals=True)
    titles = next(iter(rows.values()))
    return render(
        "evaluation/report.html.j2",
        title=title,
        protocol=results.protocol,
        columns=[column for column in columns().values() if column.title in titles],
        rows=rows,
        sections=strips,
        far=FAR,
        histograms=histograms,
        scores=scores,
        content=results.to_json(),
    )


def render(template: str, **values: Any) -> str:
    """The HTML of a template, named by its path in the package; values are escaped."""
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("colorjax", ""),
        autoescape=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "bin_chart": bin_chart,
        "data_uri": data_uri,
        "error_map": error_map,
        "to_json": functools.partial(json.dumps, indent=2),
    }
    return environment


def data_uri(image: UInt8[np.ndarray, "h w 3"]) -> str:
    """The image as a data: URI."""
    data = base64.b64encode(images.encode(image, "PNG")).decode()
    return f"data:image/png;base64,{data}"


def error_map(distance: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Distances in ab as an image: black, red, yellow, and white at `FAR`."""
    x = 3 * np.nan_to_num(distance, nan=FAR).clip(0, FAR)[..., None] / FAR
    return (255 * (x - np.array([0, 1, 2])).clip(0, 1)).astype(np.uint8)


def bin_chart(counts: Float[np.ndarray, "313"]) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of each bin as a map of the ab plane: a to the right, b upwards.

    A bin has its own hue; its lightness grows with the logarithm of the count.
    """
    position = np.int32(ab_bins() // GRID)
    column, row = (position - position.min(axis=0)).T
    share = np.log1p(counts) / max(np.log1p(counts).max(), 1e-9)
    shape = (row.max() + 1, column.max() + 1, 3)
    chart = np.full(shape, 24, np.uint8)
    lab = jnp.column_stack([12 + 68 * share, ab_bins()])
    chart[row.max() - row, column] = np.round(255 * np.asarray(lab_to_rgb(lab)))
    return np.kron(chart, np.ones((8, 8, 1), np.uint8))
