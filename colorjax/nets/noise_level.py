"""How a denoiser learns the noise level: `NoiseLevel`, and `modulate`."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

FREQUENCIES = (0.1, 10.0)  # radians per unit of ln sigma, the least and the largest


class NoiseLevel(nn.Module):
    """ln sigma to a vector of `features`: sines and cosines, then two layers.

    Sines of gamma itself, between 0 and 1, hardly tell noise levels apart. ln sigma is
    a function of gamma that spreads them evenly.
    """

    features: int

    @nn.compact
    def __call__(self, log_sigma: Float[Array, "b"]) -> Float[Array, "b features"]:
        frequencies = jnp.geomspace(*FREQUENCIES, 64)
        angles = log_sigma[:, None] * frequencies
        x = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        x = nn.silu(nn.Dense(self.features, name="first")(x))
        return nn.Dense(self.features, name="second")(x)
