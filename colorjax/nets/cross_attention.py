"""How a denoiser sees a whole histogram and a text: `Conditions`, `GlobeVector`,
`CrossAttention`.

Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models",
CVPR 2022, section 3.3.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

HEAD = 32  # channels of an attention head
ABSENT = -1e9  # the logit of a token with weight 0


class Conditions(NamedTuple):
    """Conditions of images that have no place in them.

    - `globe`: the shares of the 313 bins and whether they are given;
    - `text`: vectors of words, about of length 1, and the weight of each, 0 to 1.
    """

    globe: Float[Array, "b 314"]
    text: Float[Array, "b k d"]


class GlobeVector(nn.Module):
    """A histogram as a vector of `features`; zeros where there is no histogram."""

    features: int

    @nn.compact
    def __call__(self, globe: Float[Array, "b 314"]) -> Float[Array, "b features"]:
        # Square roots of shares have length 1, so these have unit variance.
        bins = jnp.sqrt(jnp.maximum(globe[:, :-1], 0) * (globe.shape[-1] - 1))
        x = jnp.concatenate([bins, globe[:, -1:]], axis=-1)
        return nn.Dense(self.features, use_bias=False, name="out")(x)


class CrossAttention(nn.Module):
    """Each place attends to the words of a text, or to none of them.

    A further token, with the logit 0 and the value 0, stands for "none". So a text
    whose weights are 0 changes nothing.
    """

    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], text: Float[Array, "b k d"]
    ) -> Float[Array, "b h w c"]:
        channels = x.shape[-1]
        heads = max(1, channels // HEAD)

        def dense(y, name, **options):
            y = nn.Dense(channels, dtype=self.dtype, name=name, **options)(y)
            return y.reshape(*y.shape[:-1], heads, channels // heads)

        vectors, weight = text[..., :-1], text[..., -1]
        vectors = vectors * vectors.shape[-1] ** 0.5  # of unit variance
        query = dense(nn.RMSNorm(dtype=self.dtype, name="norm")(x), "query")
        key, value = dense(vectors, "key"), dense(vectors, "value", use_bias=False)
        logits = jnp.einsum("bhwnc,bknc->bhwnk", query, key).astype(jnp.float32)
        logits *= (channels // heads) ** -0.5
        present = jnp.log(jnp.maximum(weight, 1e-6))
        present = jnp.where(weight > 0, present, ABSENT)[:, None, None, None]
        logits = jnp.pad(logits + present, ((0, 0),) * 4 + ((0, 1),))
        shares = jax.nn.softmax(logits, axis=-1)[..., :-1].astype(self.dtype)
        y = jnp.einsum("bhwnk,bknc->bhwnc", shares, value).reshape(x.shape)
        zeros = nn.initializers.zeros
        out = nn.Dense(channels, False, dtype=self.dtype, kernel_init=zeros, name="out")
        return x + out(y)
