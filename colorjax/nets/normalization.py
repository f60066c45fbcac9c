"""Normalizations that the nets share: `normalize`, `instance_norm`, `BatchNorm`, and
`spectral`.

The norms of features are ours because of the gradient of Flax's; see `standardize`.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def normalize(
    x: Float[Array, "b h w c"], kind: str, train: bool, name: str
) -> Float[Array, "b h w c"]:
    """Inside a module: "instance" or "batch" normalization, or "none".

    Instance normalization has no parameters, batch normalization a scale and an offset.
    """
    if kind == "none":
        return x
    if kind == "instance":
        return instance_norm(x)
    return BatchNorm(name=name)(x, train)


def instance_norm(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Normalize each channel of each image; no parameters, statistics in float32.

    Source: Ulyanov, Vedaldi, Lempitsky, 2016.
    """
    wide = x.astype(jnp.float32)
    mean, variance = (f(wide, axis=(1, 2), keepdims=True) for f in (jnp.mean, jnp.var))
    return standardize(wide, mean, variance).astype(x.dtype)


class BatchNorm(nn.Module):
    """Normalize each channel, by the statistics of the batch in training.

    Evaluation uses their running means (momentum 0.9), which are in "batch_stats". The
    variables are those of Flax's `BatchNorm`. `affine` adds a scale and an offset.
    Statistics are float32.

    Source: Ioffe and Szegedy, ICML 2015.
    """

    affine: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], train: bool
    ) -> Float[Array, "b h w c"]:
        zeros, ones, shape = nn.initializers.zeros, nn.initializers.ones, x.shape[-1:]
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        wide = x.astype(jnp.float32)
        if train:
            mean, squares = (x.mean((0, 1, 2)) for x in (wide, jnp.square(wide)))
            # Not jnp.var: with micro-batches on several devices, XLA omits the sum over
            # the devices from its gradient.
            variance = jax.nn.relu(squares - jnp.square(mean))
            if not self.is_initializing():
                running_mean.value = 0.9 * running_mean.value + 0.1 * mean
                running_var.value = 0.9 * running_var.value + 0.1 * variance
        else:
            mean, variance = running_mean.value, running_var.value
        y = standardize(wide, mean, variance)
        if self.affine:
            y *= self.param("scale", ones, shape)
            y += self.param("bias", zeros, shape)
        return y.astype(x.dtype)


def spectral(
    layer: nn.Conv, x: Float[Array, "b ... i"], train: bool
) -> Float[Array, "b ... o"]:
    """Inside a module: the output of `layer` with its kernel divided by its largest
    singular value.

    In training one step of the power iteration updates the value, whose vectors are in
    "batch_stats".

    Source: Miyato et al., ICLR 2018.
    """
    normed = nn.SpectralNorm(layer, name=f"{layer.name}_sn")
    return normed(x, update_stats=train)


def standardize(
    x: Float[Array, "b h w c"], mean: ArrayLike, variance: ArrayLike
) -> Float[Array, "b h w c"]:
    """`x`, float32, with this mean and variance, scaled to mean 0 and variance 1.

    This is a power and not rsqrt as in Flax. The gradient of rsqrt, rsqrt(v) / v, makes
    XLA rewrite the forward pass of one loss, so that XLA cannot merge it with the equal
    forward pass of another loss.
    """
    return (x - mean) * (variance + 1e-5) ** -0.5
