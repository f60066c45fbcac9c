"""Colours given by a person: `parse_palette`, `snapped`."""

import re

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import rgb_to_lab
from colorjax.errors import UserError
from colorjax.quantize import ab_bins


def parse_palette(palette: str) -> Float[np.ndarray, "k 2"]:
    """The ab of colours like "#aa5533,#224488". Raises `UserError` for other text."""
    names = [name.strip() for name in palette.split(",")]
    for name in names:
        if not re.fullmatch("#[0-9a-fA-F]{6}", name):
            raise UserError(
                f"palette: '{name}' is no colour; write colours as '#aa5533,#224488'"
            )
    rgb = np.array([list(bytes.fromhex(name[1:])) for name in names], np.float32) / 255
    return np.asarray(rgb_to_lab(jnp.asarray(rgb)))[:, 1:]


def snapped(colors: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "313 2"]:
    """For every bin the nearest of the colours."""
    distance = ((ab_bins()[:, None] - colors) ** 2).sum(-1)
    return colors[distance.argmin(1)]
