"""Colors without a place: how a palette changes a prediction."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import rgb_to_lab
from colorjax.quantize import ab_bins


def snapped(palette: Sequence[str]) -> Float[np.ndarray, "313 2"]:
    """For each bin, the ab of the nearest of the colors, such as "#aa5533"."""
    levels = [list(bytes.fromhex(color[1:])) for color in palette]
    lab = np.asarray(rgb_to_lab(jnp.asarray(np.array(levels, np.float32) / 255)))
    distance = ((ab_bins()[:, None] - lab[:, 1:]) ** 2).sum(-1)
    return lab[distance.argmin(1), 1:]
