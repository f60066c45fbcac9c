"""What `colorjax doctor` reports: the summary, the lines on the terminal, the page."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from colorjax.apps.doctor.checks import FINDINGS, Examination, Findings, decode
from colorjax.data.sources import Source
from colorjax.errors import printable
from colorjax.evaluation.report import bin_chart, render
from colorjax.quantize import ab_bins

VIVID = 20  # chroma above which a color has a name
RARE = 1e-3  # share of pixels below which a network hardly predicts a color
HUES = {  # where each begins, in degrees of Lab's hue; the last ends at the first
    "red": 15,
    "orange": 50,
    "yellow": 80,
    "green": 112,
    "cyan": 165,
    "blue": 235,
    "purple": 312,
    "pink": 335,
}
KNOWN = {  # what this command reports for them, with --resize 64 and 32
    "the quick config's photographs": {"colourfulness": 34, "effective_bins": 26},
    "CIFAR-10": {"colourfulness": 34, "effective_bins": 25},
}
EDGES = np.array([*range(0, 105, 5), np.inf])  # of the histogram of colorfulness
SHOWN, SIDE = 12, 128  # images of each finding on the page, and their size in pixels


def summarize(
    examination: Examination, findings: Findings, splits: dict[str, int], side: int
) -> dict[str, Any]:
    """The content of doctor.json; `splits` are the lengths of the splits by name."""
    bad = {index for images in findings.values() for index in images}
    ends = np.cumsum(list(splits.values()))

    def split_of(index):
        return int(np.searchsorted(ends, index, side="right"))

    repetitions = [*findings["duplicate"].items(), *findings["near-duplicate"].items()]
    short = examination.sizes.min(axis=1)
    prior = examination.prior.astype(float)
    positive = prior[prior > 0]
    return {
        "splits": splits,
        "resize": side,
        "pictures": examination.count,
        "good": examination.count - len(bad),
        "findings": {kind: len(images) for kind, images in findings.items()},
        "across_splits": sum(split_of(i) != split_of(j) for i, j in repetitions),
        "short_side": {f"{q}%": float(np.percentile(short, q)) for q in (5, 50, 95)},
        "enlarged": float((short < side).mean()),
        "chroma": float(examination.chroma.mean()),
        "colourfulness": {
            "mean": float(examination.colorfulness.mean()),
            "pictures": np.histogram(examination.colorfulness, EDGES)[0].tolist(),
        },
        "effective_bins": float(np.exp(-(positive * np.log(positive)).sum())),
        "commonest_bin": {
            "ab": ab_bins()[prior.argmax()].tolist(),
            "share": float(prior.max()),
        },
        "hues": _hues(examination.prior),
        "prior": prior.tolist(),
    }


def _hues(prior: Float[np.ndarray, "313"]) -> dict[str, float]:
    """The share of pixels with a vivid color of each hue."""
    a, b = ab_bins().T
    first, *_ = HUES.values()
    angle = (np.degrees(np.arctan2(b, a)) - first) % 360
    edges = [*(start - first for start in HUES.values()), 360]
    vivid = prior * (np.hypot(a, b) >= VIVID)
    return {
        name: float(vivid[(low <= angle) & (angle < high)].sum())
        for name, low, high in zip(HUES, edges[:-1], edges[1:], strict=True)
    }


def total(summary: dict[str, Any]) -> str:
    """The number of images, by split, and of those without a finding."""
    splits = ", ".join(f"{split} {n:,}" for split, n in summary["splits"].items())
    return f"{summary['pictures']:,} pictures ({splits}), {summary['good']:,} good"


def counts(
    summary: dict[str, Any], findings: Findings, source: Source
) -> Iterator[str]:
    """A line for each kind of finding, and one that names the first image of it."""
    for kind, count in summary["findings"].items():
        share = count / summary["pictures"]
        yield f"  {kind:<15} {count:>7,}  {share:6.1%}  {FINDINGS[kind]}"
        for index, detail in list(findings[kind].items())[:1]:
            yield f"  {'':<15} {'first:':>7}  {_caption(index, detail, source)}"


def expectations(summary: dict[str, Any]) -> list[str]:
    """What a user can expect of training on these images."""
    lines = []
    good, side, pictures = summary["good"], summary["resize"], summary["pictures"]
    if good < 5000:
        lines.append(
            f"{good:,} pictures are few: they are soon known by heart. From 827 the "
            "quick config learns blue skies and olive for nearly all else "
            "(docs/results/quick.md); take a narrow net, zoom and jitter, as it does, "
            "or begin from another run's weights (config.init_from)."
        )
    enlarged = summary["enlarged"]
    if enlarged > 0.05:
        lines.append(
            f"{enlarged:.0%} have a short side below data.resize {side} and would be "
            f"enlarged; that of 95 % is {summary['short_side']['5%']:.0f} or more."
        )
    lines += _color_lines(summary)
    dull = summary["findings"]["grey"] + summary["findings"]["toned"]
    if dull > 0.02 * pictures:
        lines.append(
            f"{dull / pictures:.0%} are grey or toned. Grey ones give no gradient, so "
            "batches are smaller than they seem; toned ones pull all to their tone."
        )
    if across := summary["across_splits"]:
        lines.append(
            f"{across:,} pictures repeat one of another split: figures of the held-out "
            "pictures would flatter. The list of --fix leaves them out."
        )
    return lines


def _color_lines(summary: dict[str, Any]) -> list[str]:
    mean, bins = summary["colourfulness"]["mean"], summary["effective_bins"]
    known = "; ".join(
        f"{name} {x['colourfulness']:.0f} and {x['effective_bins']:.0f}"
        for name, x in KNOWN.items()
    )
    lines = [
        f"Colourfulness is {mean:.0f} on average, and the pixels spread over as many "
        f"bins as {bins:.0f} equally frequent ones ({known})."
    ]
    least = min(KNOWN.values(), key=lambda x: x["effective_bins"])["effective_bins"]
    if bins < 0.7 * least:
        lines.append(
            "That is less color than in those; expect results of few, muted colors."
        )
    a, b = summary["commonest_bin"]["ab"]
    share = summary["commonest_bin"]["share"]
    lines.append(
        f"The commonest bin, ab ({a:.0f}, {b:.0f}), has {share:.0%} of the pixels: the "
        "share that a net gets right by always naming it."
    )
    rare = [f"{hue} ({x:.2%})" for hue, x in summary["hues"].items() if x < RARE]
    if rare:
        lines.append(f"Hardly any vivid {', '.join(rare)}: do not expect to see them.")
    return lines


def page(
    data: str,
    summary: dict[str, Any],
    missing: list[str],
    findings: Findings,
    good: list[int],
    source: Source,
) -> str:
    """The HTML page: the summary, and samples of the good images and of each finding.

    `missing` are messages on splits that do not exist, `good` the indices of images
    without a finding, in `source`.
    """
    spread = {good[i]: "" for i in _evenly(len(good))} if good else {}
    sections = {"Good ones": spread}
    sections |= {f"{kind}: {len(x):,}": x for kind, x in findings.items()}
    return render(
        "apps/doctor/report.html.j2",
        title=f"Examination of {data}",
        total=total(summary),
        summary=summary,
        meanings=FINDINGS,
        expectations=[*missing, *expectations(summary)],
        prior=bin_chart(1e6 * np.array(summary["prior"])),
        sections={title: _samples(x, source) for title, x in sections.items() if x},
    )


def _evenly(count: int) -> list[int]:
    """At most `SHOWN` of `count` indices, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, SHOWN, dtype=int).tolist()))


def _samples(
    details: Mapping[int, str | int], source: Source
) -> list[tuple[str, UInt8[np.ndarray, "h w 3"] | None]]:
    """Captions and images; a repetition stands beside the image that it repeats.

    The image is None where it cannot be read.
    """
    samples = []
    indices = list(details)
    for index in (indices[i] for i in _evenly(len(indices))):
        detail = details[index]
        pair = [detail, index] if isinstance(detail, int) else [index]
        squares = [x for x in (_square(source, i) for i in pair) if x is not None]
        image = np.concatenate(squares, axis=1) if squares else None
        samples.append((_caption(index, detail, source), image))
    return samples


def _caption(index: int, detail: str | int, source: Source) -> str:
    """The names of an image and of the one that it repeats, or its name and detail."""
    name = printable(source.key(index))
    if isinstance(detail, int):
        return f"{printable(source.key(detail))} = {name}"
    return f"{name}: {detail}" if detail else name


def _square(source: Source, index: int) -> UInt8[np.ndarray, "side side 3"] | None:
    """The centre square of an image, or None where it cannot be read."""
    try:
        return decode(source[index].data, source.name(index), SIDE).square
    except Exception:  # a broken file can raise anything; the page lists it
        return None
