"""What `colorjax doctor` says: `summarize`, `counts`, `expectations`."""

from typing import Any

import numpy as np
from jaxtyping import Float

from colorjax.apps.doctor.checks import FINDINGS, Facts
from colorjax.quantize import ab_bins

VIVID = 20  # chroma from which on a colour has a name
RARE = 1e-3  # share of pixels below which a net hardly uses a colour
HUES = {  # of Lab, in degrees, where each begins; the last ends where the first begins
    "red": 15,
    "orange": 50,
    "yellow": 80,
    "green": 112,
    "cyan": 165,
    "blue": 235,
    "purple": 312,
    "pink": 335,
}
KNOWN = {  # what this command says of them, at --resize 64 and 32
    "the quick config's photographs": {"colourfulness": 34, "effective_bins": 26},
    "CIFAR-10": {"colourfulness": 34, "effective_bins": 25},
}


def summarize(
    facts: Facts,
    found: dict[str, dict[int, str | int]],
    splits: dict[str, int],
    side: int,
) -> dict[str, Any]:
    """The figures, as JSON has them."""
    bad = {place for places in found.values() for place in places}
    ends = np.cumsum(list(splits.values()))

    def split_of(place):
        return int(np.searchsorted(ends, place, side="right"))

    repeated = [*found["duplicate"].items(), *found["near-duplicate"].items()]
    short = facts.sizes.min(axis=1)
    prior = facts.prior.astype(float)
    positive = prior[prior > 0]
    return {
        "splits": splits,
        "resize": side,
        "pictures": facts.count,
        "good": facts.count - len(bad),
        "findings": {kind: len(places) for kind, places in found.items()},
        "across_splits": sum(split_of(i) != split_of(j) for i, j in repeated),
        "short_side": {f"{q}%": float(np.percentile(short, q)) for q in (5, 50, 95)},
        "enlarged": float((short < side).mean()),
        "chroma": float(facts.chroma.mean()),
        "colourfulness": {
            "mean": float(facts.colourfulness.mean()),
            "pictures": np.histogram(facts.colourfulness, _EDGES)[0].tolist(),
        },
        "effective_bins": float(np.exp(-(positive * np.log(positive)).sum())),
        "commonest_bin": {
            "ab": ab_bins()[prior.argmax()].tolist(),
            "share": float(prior.max()),
        },
        "hues": _hues(facts.prior),
        "prior": prior.tolist(),
    }


_EDGES = np.array([*range(0, 105, 5), np.inf])  # of the histogram of colourfulness


def _hues(prior: Float[np.ndarray, "313"]) -> dict[str, float]:
    """The share of pixels that has each hue, vividly."""
    a, b = ab_bins().T
    first, *_ = HUES.values()
    angle = (np.degrees(np.arctan2(b, a)) - first) % 360
    edges = [*(start - first for start in HUES.values()), 360]
    vivid = prior * (np.hypot(a, b) >= VIVID)
    return {
        name: float(vivid[(low <= angle) & (angle < high)].sum())
        for name, low, high in zip(HUES, edges[:-1], edges[1:], strict=True)
    }


def counts(summary: dict[str, Any]) -> list[str]:
    """A line a finding."""
    splits = ", ".join(f"{split} {n:,}" for split, n in summary["splits"].items())
    lines = [f"{summary['pictures']:,} pictures ({splits}), {summary['good']:,} good"]
    for kind, count in summary["findings"].items():
        share = count / summary["pictures"]
        lines.append(f"  {kind:<15} {count:>7,}  {share:6.1%}  {FINDINGS[kind]}")
    return lines


def expectations(summary: dict[str, Any]) -> list[str]:
    """What to expect of training on these pictures, from what was measured."""
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
    lines += _colour_lines(summary)
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


def _colour_lines(summary: dict[str, Any]) -> list[str]:
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
            "That is less colour than in those; expect results of few, muted colours."
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
