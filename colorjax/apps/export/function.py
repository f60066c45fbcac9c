"""A run as one pure function from RGB to RGB."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab
from colorjax.inference.batching import STRIDE
from colorjax.method import Method, Nets, image_keys
from colorjax.nets.layers import upsample
from colorjax.quantize import annealed_mean

# Steps of the bisection for chroma in gamut. Where the rounding of another program
# changes one decision, the result differs by 2^-HALVINGS of the chroma.
HALVINGS = 14
Colorize = Callable[..., Float[Array, "b h w 3"]]


def make_colorize(method: Method, nets: Nets) -> Colorize:
    """`colorize(rgb)`, or, if the method has logits, `colorize(rgb, temperature)`.

    Input and output are sRGB in [0, 1], float32 [b h w 3]; height and width may be
    symbolic. The function repeats the edge up to a multiple of the network's stride, so
    that any size is valid. L is kept. Colors outside the sRGB gamut lose chroma. A
    stochastic method uses the same noise for every picture.
    """
    nets = jax.tree.map(jnp.asarray, nets)

    def colorize(rgb, temperature=method.temperature):
        lightness = rgb_to_lab(rgb)[..., :1]
        height, width = rgb.shape[1:3]
        rows, columns = (jnp.arange(-(-n // STRIDE) * STRIDE) for n in (height, width))
        padded = lightness[:, jnp.minimum(rows, height - 1)]
        padded = padded[:, :, jnp.minimum(columns, width - 1)]
        # Every picture has the same noise, so its neighbors do not matter.
        keys = image_keys(0, jnp.zeros(rgb.shape[:1], jnp.uint32))
        ab, logits = method.predict(nets, {"lightness": padded}, keys)
        if logits is not None:
            stride = ab.shape[1] // logits.shape[1]
            ab = upsample(annealed_mean(logits, temperature), stride)
        # By index, not by slice: no symbolic size is known to be the larger one.
        ab = ab[:, jnp.arange(height)][:, :, jnp.arange(width)]
        lab = jnp.concatenate([lightness, ab], axis=-1)
        return lab_to_rgb(into_gamut(lab, HALVINGS))

    return colorize
