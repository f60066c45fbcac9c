"""The colors of an exemplar as shares of the 313 bins."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from colorjax import images
from colorjax.color import rgb_to_lab
from colorjax.hints.guide import Guide
from colorjax.method import GLOBE
from colorjax.quantize import Q, soft_encode

SAMPLES = 64  # rows and columns of the samples of a histogram


def histogram(
    exemplar: UInt8[np.ndarray, "h w 3"], saturation: float = 1.0
) -> Float[np.ndarray, "313"]:
    """The share of each bin in the colors of a picture: the mean of `soft_codes`."""
    return soft_codes(exemplar, (SAMPLES, SAMPLES), saturation).mean((0, 1))


def soft_codes(
    exemplar: UInt8[np.ndarray, "h w 3"], size: tuple[int, int], saturation: float = 1.0
) -> Float[np.ndarray, "h2 w2 313"]:
    """The soft codes of the colors of a picture on a grid of `size` = (height, width).

    The colors are those of the picture, with ab divided by `saturation`.
    """
    small = images.resize(exemplar, size)
    return np.asarray(_soft_codes(small, np.float32(saturation)))


def globe(guide: Guide) -> Float[np.ndarray, "314"]:
    """What a guide asks for as the input "globe" of a network.

    These are the shares of the bins in the colors of its exemplar, else of its palette,
    and then 1. They are zeros if it has neither.
    """
    if guide.exemplar is not None:
        shares = histogram(guide.exemplar)
    elif guide.palette:
        levels = [[list(bytes.fromhex(color[1:])) for color in guide.palette]]
        codes = _soft_codes(np.array(levels, np.uint8), np.float32(1))
        shares = np.asarray(codes).mean((0, 1))
    else:
        return np.zeros(GLOBE, np.float32)
    return np.append(shares, np.float32(1))


@jax.jit
def _soft_codes(
    levels: UInt8[Array, "h w 3"], saturation: Float[Array, ""]
) -> Float[Array, "h w 313"]:
    ab = rgb_to_lab(levels.astype(jnp.float32) / 255)[..., 1:] / saturation
    return soft_encode(ab, Q)[1]
