"""The colors of an exemplar as shares of the 313 bins: `histogram`, `globe`."""

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
    """The share of each bin in the colors of a picture, as soft codes.

    The colors are those that `saturation` turns into the picture's.
    """
    small = images.resize(exemplar, (SAMPLES, SAMPLES))
    return np.asarray(_mean_code(small, np.float32(saturation)))


def globe(guide: Guide) -> Float[np.ndarray, "314"]:
    """What a guide asks for as the input "globe" of a network.

    These are the shares of the colors of its exemplar, else of its palette, and 1; or
    zeros if it has neither.
    """
    if guide.exemplar is not None:
        shares = histogram(guide.exemplar)
    elif guide.palette:
        levels = [list(bytes.fromhex(color[1:])) for color in guide.palette]
        shares = np.asarray(_mean_code(np.uint8([levels]), np.float32(1)))
    else:
        return np.zeros(GLOBE, np.float32)
    return np.append(shares, np.float32(1))


@jax.jit
def _mean_code(
    levels: UInt8[Array, "h w 3"], saturation: Float[Array, ""]
) -> Float[Array, "313"]:
    ab = rgb_to_lab(levels.astype(jnp.float32) / 255)[..., 1:] / saturation
    return soft_encode(ab, Q)[1].mean((0, 1))
