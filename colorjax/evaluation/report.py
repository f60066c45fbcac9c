"""Pages from templates: `render`. A page is one HTML file that needs no other.

Templates make images of arrays with the filters `error_map`, `bin_chart`, `data_uri`.
"""

import base64
import functools
import json
from typing import Any

import jax.numpy as jnp
import jinja2
import numpy as np
from jaxtyping import Float, UInt8

from colorjax import images
from colorjax.color import lab_to_rgb
from colorjax.quantize import GRID, ab_bins

FAR = 75.0  # distance in ab that is white in an error map


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
