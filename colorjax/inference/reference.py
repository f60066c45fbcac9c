"""How a palette and an exemplar change a prediction: `snapped`, `preference`."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from colorjax.color import rgb_to_lab
from colorjax.inference.interpolation import interpolate
from colorjax.inference.softmax import softmax
from colorjax.quantize import ab_bins

RARE = 1e-3  # added to the share of each bin, so that no ratio of shares is extreme


class Likeness(NamedTuple):
    """Which colors of an exemplar each place of a picture is likely to have.

    `preference` is given at every `stride`-th working pixel. For each bin it is the
    logarithm of the bin's share at similar places of the exemplar over its share in the
    whole exemplar, times the similarity of these places, from 0 to 1.
    """

    exemplar: UInt8[np.ndarray, "h w 3"]
    preference: Float[np.ndarray, "h2 w2 313"]
    stride: int

    def is_to(self, exemplar: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Whether this is the likeness to that exemplar."""
        return np.array_equal(self.exemplar, exemplar)

    def on(self, size: Sequence[int], stride: int) -> Float[np.ndarray, "h w 313"]:
        """The preference on a grid of `size`, at every `stride`-th working pixel."""
        places = [np.arange(count) * stride / self.stride for count in size]
        return interpolate(self.preference, places)


def snapped(palette: Sequence[str]) -> Float[np.ndarray, "313 2"]:
    """For each bin, the ab of the nearest of the colors, such as "#aa5533"."""
    levels = [list(bytes.fromhex(color[1:])) for color in palette]
    lab = np.asarray(rgb_to_lab(jnp.asarray(np.array(levels, np.float32) / 255)))
    distance = ((ab_bins()[:, None] - lab[:, 1:]) ** 2).sum(-1)
    return lab[distance.argmin(1), 1:]


def preference(
    logits: Float[np.ndarray, "h w 313"], shares: Float[np.ndarray, "313"]
) -> Float[np.ndarray, "313"]:
    """What to add to logits so that bins get about these `shares` of a picture.

    It is the logarithm of the share over the mean probability. This corrects a
    classifier for another prior of its classes (Saerens, Latinne, Decaestecker,
    "Adjusting the outputs of a classifier to new a priori probabilities", Neural
    Computation 2002, eq. 4).
    """
    return log_ratio(shares, softmax(logits).mean((0, 1)))


def log_ratio(
    shares: Float[np.ndarray, "*places 313"], others: Float[np.ndarray, "313"]
) -> Float[np.ndarray, "*places 313"]:
    """The logarithm of the ratio of shares of bins, less extreme for rare bins."""
    return np.log((shares + np.float32(RARE)) / (others + np.float32(RARE)))
