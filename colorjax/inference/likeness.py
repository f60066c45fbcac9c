"""Which places of an exemplar are like those of a picture: `liken`.

The colors of similar places are used without training. The features of a classifier
tell which places are similar (as in He et al., "Deep Exemplar-based Colorization",
SIGGRAPH 2018, whose network is trained to do so).
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from colorjax.color import rgb_to_lab
from colorjax.hints import Guide, soft_codes
from colorjax.inference.batching import padded_size
from colorjax.inference.distribution import Distribution
from colorjax.inference.reference import Likeness, log_ratio
from colorjax.inference.softmax import softmax

BREADTH = 0.1  # of inner products: a place less similar by this counts e times less
UNLIKE, ALIKE = 0.6, 0.9  # inner products from which a place counts, and counts fully
STRIDE = 8  # pixels from one place to the next

Features = Callable[[Float[Array, "1 h w 1"]], Float[Array, "1 h2 w2 c"]]


def liken(
    distribution: Distribution, guide: Guide | None, features: Features | None
) -> Distribution:
    """The distribution with its likeness to the exemplar of a guide.

    A place counts the more, the more it is like the most similar place of the exemplar.
    `features` are those of `Method`. Without features, an exemplar or logits, or if it
    has this likeness already, the distribution stays as it is.
    """
    exemplar = None if guide is None else guide.exemplar
    if exemplar is None or features is None or distribution.logits is None:
        return distribution
    if distribution.likeness and distribution.likeness.is_to(exemplar):
        return distribution
    own = features_of(features, distribution.lightness)
    theirs = features_of(features, np.asarray(_lightness(exemplar)))
    codes = soft_codes(exemplar, theirs.shape[:2], distribution.saturation or 1.0)
    likeness = own.reshape(-1, own.shape[-1]) @ theirs.reshape(-1, own.shape[-1]).T
    codes = codes.reshape(-1, codes.shape[-1])
    shares = softmax(likeness / np.float32(BREADTH)) @ codes
    weight = np.clip((likeness.max(-1) - UNLIKE) / np.float32(ALIKE - UNLIKE), 0, 1)
    preference = weight[:, None] * log_ratio(shares, codes.mean(0))
    preference = preference.reshape(*own.shape[:2], -1)
    return replace(distribution, likeness=Likeness(exemplar, preference, STRIDE))


@jax.jit
def _lightness(levels: UInt8[Array, "h w 3"]) -> Float[Array, "h w"]:
    return rgb_to_lab(levels.astype(jnp.float32) / 255)[..., 0]


def features_of(
    features: Features, lightness: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h2 w2 c"]:
    """The features of L, which is padded to one of nine sizes, at 1/8 of its size."""
    height, width = lightness.shape
    padded = padded_size(height, width, min(height, width))
    missing = [(0, n - m) for n, m in zip(padded, lightness.shape, strict=True)]
    whole = features(jnp.pad(lightness, missing, mode="edge")[None, ..., None])
    return np.asarray(whole)[0, : -(-height // STRIDE), : -(-width // STRIDE)]
