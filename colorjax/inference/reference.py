"""Colors without a place: how a palette and an exemplar change a prediction."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from colorjax.color import rgb_to_lab
from colorjax.quantize import ab_bins

RARE = 1e-3  # added to the share of each bin, so that no ratio of shares is extreme


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

    It is the logarithm of the share over the mean probability: the correction of a
    classifier for another prior of its classes (Saerens, Latinne, Decaestecker,
    "Adjusting the outputs of a classifier to new a priori probabilities", Neural
    Computation 2002, eq. 4).
    """
    predicted = softmax(logits, axis=-1).mean((0, 1))
    return np.log((shares + np.float32(RARE)) / (predicted + np.float32(RARE)))
