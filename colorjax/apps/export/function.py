"""RGB to RGB as one pure function of a run: `colorizing`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab
from colorjax.inference.colorizer import STRIDE
from colorjax.method import Method, Nets
from colorjax.nets.layers import upsample
from colorjax.quantize import annealed_mean

# Of the search for chroma in gamut: where another program's rounding takes another turn
# in it, what comes out differs by 2^-HALVINGS of the chroma.
HALVINGS = 14
Colorize = Callable[..., Float[Array, "b h w 3"]]


def colorizing(method: Method, nets: Nets) -> Colorize:
    """A function of RGB; of a method with logits, of a temperature too, if it is given.

    The picture is padded inside to the nets' stride with its own edge, so that any size
    will do; height and width may be symbolic. Its L is kept; colours outside the sRGB
    gamut lose chroma.
    """

    nets = jax.tree.map(jnp.asarray, nets)

    def colorize(rgb, temperature=method.temperature):
        lightness = rgb_to_lab(rgb)[..., :1]
        height, width = rgb.shape[1:3]
        rows, columns = (jnp.arange(-(-n // STRIDE) * STRIDE) for n in (height, width))
        padded = lightness[:, jnp.minimum(rows, height - 1)]
        padded = padded[:, :, jnp.minimum(columns, width - 1)]
        found = method.predict(nets, padded, jax.random.key(0))
        ab = found.ab
        if found.logits is not None:
            stride = ab.shape[1] // found.logits.shape[1]
            ab = upsample(annealed_mean(found.logits, temperature), stride)
        # Rows are taken, not cut off: of symbolic sizes none is known to be the larger.
        ab = ab[:, jnp.arange(height)][:, :, jnp.arange(width)]
        lab = jnp.concatenate([lightness, ab], axis=-1)
        return lab_to_rgb(into_gamut(lab, HALVINGS))

    return colorize
