"""The findings of `colorjax doctor` as one HTML page to look at: `page`."""

import html
from typing import Any

import numpy as np

from colorjax.apps.doctor.checks import FINDINGS, look
from colorjax.apps.doctor.report import counts, expectations
from colorjax.data.sources import Source
from colorjax.errors import printable
from colorjax.evaluation.report import bin_chart, data_uri, document

SHOWN = 12  # pictures of each finding
SIDE = 128  # of a picture


def page(
    data: str,
    summary: dict[str, Any],
    missing: list[str],
    found: dict[str, dict[int, str | int]],
    good: list[int],
    source: Source,
) -> str:
    """The page: figures, expectations, the prior, samples of each finding."""
    rows = "".join(
        f"<tr><td>{kind}</td><td>{count:,}</td><td>{count / summary['pictures']:.1%}"
        f'</td><td style="text-align:left">{html.escape(FINDINGS[kind])}</td></tr>'
        for kind, count in summary["findings"].items()
    )
    told = [*missing, *expectations(summary)]
    parts = [
        f"<h1>{html.escape(f'Examination of {data}')}</h1>",
        f"<p>{html.escape(counts(summary)[0])}</p>",
        f'<div class="wide"><table>{rows}</table></div>',
        "<h2>What to expect</h2><ul>",
        *(f"<li>{html.escape(line)}</li>" for line in told),
        "</ul><h2>Which colours</h2>",
        "<p>Left, the prior: the ab plane, green to red from left to right, blue to "
        "yellow upwards; a bin is the brighter the more pixels it has (logarithmic, "
        "down to a millionth of all). Right, how many pictures have what "
        "colourfulness.</p>",
        '<div class="strip bins">',
        _figure(bin_chart(1e6 * np.array(summary["prior"])), "prior"),
        _chart(summary["colourfulness"]["pictures"]),
        "</div>",
    ]
    spread = [good[i] for i in np.linspace(0, len(good) - 1, SHOWN, dtype=int) if good]
    parts.append(_samples("Good ones", dict.fromkeys(sorted(set(spread)), ""), source))
    for kind, places in found.items():
        parts.append(_samples(f"{kind}: {len(places):,}", places, source))
    return document(f"Examination of {data}", parts)


def _samples(title: str, places: dict[int, str | int], source: Source) -> str:
    """Some of the pictures; those that repeat another one beside it."""
    if not places:
        return ""
    parts = [f'<h2>{html.escape(title)}</h2><div class="strip" style="flex-wrap:wrap">']
    chosen = list(places)
    for i in sorted(set(np.linspace(0, len(chosen) - 1, SHOWN, dtype=int).tolist())):
        place, detail = chosen[i], places[chosen[i]]
        pair = [detail, place] if isinstance(detail, int) else [place]
        caption = " = ".join(printable(source.key(p)) for p in pair)
        if isinstance(detail, str) and detail:
            caption = f"{caption}: {detail}"
        shown = [x for x in (_small(source, p) for p in pair) if x is not None]
        if shown:
            parts.append(_figure(np.concatenate(shown, axis=1), caption))
        else:
            parts.append(f"<p>{html.escape(caption)}</p>")
    return "".join([*parts, "</div>"])


def _small(source: Source, place: int) -> np.ndarray | None:
    """The centre square of a picture, or None where it cannot be read."""
    try:
        return look(source[place].data, source.name(place), SIDE).square
    except Exception:  # whatever a broken file or record provokes; it is listed
        return None


def _figure(picture: np.ndarray, caption: str) -> str:
    height, width = picture.shape[:2]
    return (
        f'<figure style="width:{width}px"><img alt="" style="width:{width}px;height:'
        f'{height}px" src="{data_uri(picture)}"><figcaption style="overflow-wrap:'
        f'anywhere">{html.escape(caption)}</figcaption></figure>'
    )


def _chart(pictures: list[int]) -> str:
    """Bars of the pictures by colourfulness, as SVG."""
    most, bar, height = max(max(pictures), 1), 16, 180
    bars = "".join(
        f'<rect x="{i * bar}" y="{height - height * n / most:.1f}" width="{bar - 2}" '
        f'height="{height * n / most:.1f}" fill="#68a"><title>{n:,}</title></rect>'
        for i, n in enumerate(pictures)
    )
    labels = "".join(
        f'<text x="{i * bar}" y="{height + 16}" font-size="11" fill="currentColor">'
        f"{5 * i}</text>"
        for i in range(0, len(pictures), 4)
    )
    width = bar * len(pictures)
    return (
        f'<figure><svg width="{width + 8}" height="{height + 20}">{bars}{labels}'
        "</svg><figcaption>colourfulness</figcaption></figure>"
    )
