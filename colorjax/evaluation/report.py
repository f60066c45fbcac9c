"""A comparison as one self-contained HTML page: `page`; and what other pages are made
of: `document`, `data_uri`, `bin_chart`.

The table, what was evaluated and how, strips of pictures (spread over the split, and
the worst and the best of each run) with maps of the error, the histograms of ab, and
the scores of single pictures.
"""

import base64
import html
import json
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from colorjax import images
from colorjax.color import lab_to_rgb
from colorjax.evaluation.results import COLUMNS, Comparison, cells
from colorjax.quantize import GRID, ab_bins

FAR = 75.0  # ab units that are white in an error map
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap;
         border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
td small { opacity: .6; }
figure { margin: 0; } figcaption { font-size: .8rem; opacity: .75; }
.strip { display: flex; gap: .5rem; margin: .5rem 0 1.2rem; overflow-x: auto; }
.strip img { width: 128px; height: 128px; display: block; object-fit: cover; }
.strip img.map { margin-top: 2px; }
.pixels img { image-rendering: pixelated; }
.bins img { width: 216px; height: 216px; image-rendering: pixelated; }
pre { background: var(--soft); padding: 1rem; overflow-x: auto; font-size: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dd { margin: 0; } dt { font-weight: 600; }
"""


class Strip(NamedTuple):
    """One picture as every row sees it: its name, uint8 pictures, distances in ab."""

    name: str
    pictures: dict[str, UInt8[np.ndarray, "h w 3"]]
    errors: dict[str, Float[np.ndarray, "h w"]]


def page(
    title: str,
    results: Comparison,
    strips: dict[str, list[Strip]],
    histograms: dict[str, Float[np.ndarray, "313"]],
    scores: list[dict[str, str]],
) -> str:
    """The page; `strips` by heading, `histograms` of bins by row, `scores` a line a
    picture."""
    side = results["protocol"]["side"]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{_protocol_line(results)}</p>",
        _table(results),
        _meanings(results),
    ]
    for heading, shown in strips.items():
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts.append(
            "<p>Below: the distance of its ab from the original's, black 0, white "
            f"{FAR:.0f} units or more, and its mean.</p>"
        )
        # Small pictures are shown as they are, not smoothed.
        kind = "pixels" if side < 128 else ""
        parts += [f'<div class="{kind}">{_strip(strip)}</div>' for strip in shown]
    parts += [
        "<h2>Which colours</h2>",
        "<p>The ab plane, green to red from left to right, blue to yellow upwards; a "
        "bin is the brighter the more pixels it has (logarithmic).</p>",
        '<div class="strip bins">',
        *(
            f'<figure><img alt="" src="{data_uri(bin_chart(counts))}">'
            f"<figcaption>{html.escape(row)}</figcaption></figure>"
            for row, counts in histograms.items()
        ),
        "</div>",
        "<h2>Single pictures</h2>",
        _scores(scores),
        "<h2>Protocol and provenance</h2>",
        f"<pre>{html.escape(json.dumps(results['protocol'], indent=2))}</pre>",
        f"<pre>{html.escape(json.dumps(results['provenance'], indent=2))}</pre>",
    ]
    return document(title, parts)


def document(title: str, parts: list[str]) -> str:
    """A whole page of these parts, which are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def _protocol_line(results: Comparison) -> str:
    protocol = results["protocol"]
    return html.escape(
        f"{protocol['pictures']:,} pictures of {protocol['dataset']}, split "
        f"{protocol['split']}, {protocol['side']} pixels square (hash "
        f"{protocol['sha256']}). ± is half the 95 % bootstrap interval over pictures."
    )


def _table(results: Comparison) -> str:
    lines = cells(results, intervals=True)
    titles = next(iter(lines.values()))
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = ""
    for name, line in lines.items():
        body += f"<tr><td>{html.escape(name)}</td>"
        for text in line.values():
            number, _, spread = text.partition(" ")
            body += f"<td>{number} <small>{spread}</small></td>"
        body += "</tr>"
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _meanings(results: Comparison) -> str:
    titles = next(iter(cells(results, intervals=False).values()))
    lines = [
        f"<dt>{html.escape(column.title)}</dt><dd>{html.escape(column.meaning)}</dd>"
        for column in COLUMNS.values()
        if column.title in titles
    ]
    return (
        f"<details><summary>What they mean</summary><dl>{''.join(lines)}</dl></details>"
    )


def _strip(strip: Strip) -> str:
    figures = []
    for row, picture in strip.pictures.items():
        below, caption = "", row
        if row in strip.errors:
            source = data_uri(error_map(strip.errors[row]))
            below = f'<img class="map" alt="" src="{source}">'
            caption += f" {strip.errors[row].mean():.1f}"
        figures.append(
            f'<figure><img alt="{html.escape(row)}" src="{data_uri(picture)}">'
            f"{below}<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    name = html.escape(strip.name)
    return f'{name}<div class="strip">{"".join(figures)}</div>'


def _scores(scores: list[dict[str, str]]) -> str:
    if not scores:
        return ""
    head = "".join(f"<th>{html.escape(key)}</th>" for key in scores[0])
    lines = [
        "<tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in line.values()) + "</tr>"
        for line in scores
    ]
    return (
        f"<details><summary>{len(scores)} pictures</summary>"
        f'<div class="wide"><table><tr>{head}</tr>{"".join(lines)}</table></div>'
        "</details>"
    )


def data_uri(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """The picture as the address of an image."""
    data = base64.b64encode(images.encode(picture, "PNG")).decode()
    return f"data:image/png;base64,{data}"


def error_map(distance: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Distances in ab units as a picture: black, red, yellow, white at `FAR`."""
    x = 3 * np.nan_to_num(distance, nan=FAR).clip(0, FAR)[..., None] / FAR
    return np.uint8(255 * (x - np.array([0, 1, 2])).clip(0, 1))


def bin_chart(counts: Float[np.ndarray, "313"]) -> UInt8[np.ndarray, "h w 3"]:
    """How many pixels each bin has, in the bin's own hue; b upwards, a to the right."""
    place = np.int32(ab_bins() // GRID)
    low = place.min(axis=0)
    column, row = (place - low).T
    share = np.log1p(counts) / max(np.log1p(counts).max(), 1e-9)
    shape = (row.max() + 1, column.max() + 1, 3)
    picture = np.full(shape, 24, np.uint8)
    lab = jnp.column_stack([12 + 68 * share, ab_bins()])
    picture[row.max() - row, column] = np.round(255 * np.asarray(lab_to_rgb(lab)))
    return np.kron(picture, np.ones((8, 8, 1), np.uint8))
