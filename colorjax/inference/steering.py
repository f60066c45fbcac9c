"""How hints change a prediction: its logits, `evidence`; its ab, `correction`; at the
hints, `pin`; and how much a network that saw the hints needs this, `need`.

A hint affects pixels that are near to it and of similar lightness. The affinity of the
pixel at x, of lightness L, to hint k is

    A_k(x) = exp(-|x - x_k|^2 / 2 REACH^2) exp(-(L - L_k)^2 / 2 TONE^2).

All hints together have the weight min(1, sum_k A_k). Each hint has a share of it in
proportion to A_k^CONTRAST, so the nearest hint has most of it. Lengths are in units of
the short side. `REACH` is multiplied by sqrt(FEW / number of hints), at most by
`FURTHEST`. So each of many hints reaches less far, and each of few further.
"""

import numpy as np
from jaxtyping import Float

from colorjax.hints import Hints
from colorjax.quantize import ab_bins

REACH = 0.4
TONE = 12.0  # units of L
CONTRAST = 2
FEW = 10
FURTHEST = 2.0
STRENGTH = 6.0  # of a hint against the network
SPREAD = 10.0  # ab units: bins as near as this to a hint are alike
OBEYED = 5.0  # ab units: a network that is nearer than this to the hints obeys them
FADE = 0.4  # how much less the network's colors count where a hint counts fully
TINY = 1e-30  # of a share, where no hint reaches
LEAST = 1e-8  # the likelihood of bins far from a hint, so that others may raise it


def evidence(
    hints: Hints,
    lightness: Float[np.ndarray, "h w"],
    stride: int,
    size: tuple[int, ...],
) -> Float[np.ndarray, "h2 w2 313"]:
    """What the hints add to logits that lie at every `stride`-th pixel.

    `size` is that of the grid of the logits. The result is the logarithm of a
    likelihood of each bin c: STRENGTH sum_k w_k log(exp(-|c - h_k|^2 / 2 SPREAD^2)
    + LEAST), with the weight w_k and the ab h_k of hint k.
    """
    distance = ((hints.ab[:, None] - ab_bins()) ** 2).sum(-1)
    likelihood = np.log(np.exp(-distance / (2 * SPREAD**2)) + LEAST)
    return STRENGTH * (_weights(hints, lightness, stride, size) @ likelihood)


def correction(
    hints: Hints,
    ab: Float[np.ndarray, "h w 2"],
    lightness: Float[np.ndarray, "h w"],
    stride: int,
    fade: float,
) -> Float[np.ndarray, "h2 w2 2"]:
    """What to add to `ab`, so that it has the colors of the hints at their places.

    Near hints, first `ab` counts less, ab'(x) = (1 - fade sum_k w_k(x)) ab(x). Then
    what it lacks at the hints is spread by their weights: sum_k w_k (h_k - ab'(x_k)).
    The result is at every `stride`-th pixel.
    """
    size = tuple(-(-count // stride) for count in lightness.shape)
    weights = _weights(hints, lightness, stride, size)
    lacking = hints.ab - np.float32(1 - fade) * _at_hints(hints, ab)
    total = np.float32(fade) * weights.sum(-1, keepdims=True)
    return weights @ lacking - total * ab[::stride, ::stride]


def need(hints: Hints, ab: Float[np.ndarray, "h w 2"]) -> float:
    """The share of `evidence` and of `FADE` for a network that saw the hints.

    It is r^2 / (r^2 + OBEYED^2), where r is the mean distance of its ab from the hints.
    So a network that obeys hints itself decides how far they reach.
    """
    distance = np.linalg.norm(hints.ab - _at_hints(hints, ab), axis=-1).mean()
    return float(distance**2 / (distance**2 + OBEYED**2))


def pin(
    ab: Float[np.ndarray, "h w 2"], local: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 2"]:
    """ab with the hints' own colors where `Hints.local` asks for them."""
    return ab + local[..., 2:] * (local[..., :2] - ab)


def _at_hints(hints: Hints, ab) -> Float[np.ndarray, "k 2"]:
    """ab at the places of the hints."""
    return ab[tuple(np.rint(hints.places).astype(int).T)]


def _weights(hints, lightness, stride, size) -> Float[np.ndarray, "h2 w2 k"]:
    """The weight of each hint at each place of a grid."""
    short, number = min(lightness.shape), len(hints.ab)
    reach = REACH * short * min(FURTHEST, (FEW / number) ** 0.5)
    places = [np.arange(count) * stride for count in size]
    rows, columns = (
        np.exp(-((place[:, None] - at) ** 2) / (2 * reach**2)).astype(np.float32)
        for place, at in zip(places, hints.places.T, strict=True)
    )
    inside = (
        np.minimum(place, count - 1)
        for place, count in zip(places, lightness.shape, strict=True)
    )
    light = lightness[np.ix_(*inside)][..., None] - hints.lightness
    affinity = np.exp(light**2 / np.float32(-2 * TONE**2))
    affinity *= rows[:, None] * columns
    total = np.minimum(1, affinity.sum(-1, keepdims=True))
    shares = affinity**CONTRAST + np.float32(TINY)
    return total * shares / shares.sum(-1, keepdims=True)
