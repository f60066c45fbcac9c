"""Normalization layers: `BatchNorm`, `instance_norm`, and `normalize` for either."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def standardize(
    x: Float[Array, "b h w c"], mean: ArrayLike, variance: ArrayLike
) -> Float[Array, "b h w c"]:
    """`x`, float32, with this mean and variance, scaled to mean 0 and variance 1.

    This is a power and not rsqrt as in Flax. The gradient of rsqrt, rsqrt(v) / v, makes
    XLA rewrite the forward pass of one loss, and then it does not merge it with the
    equal forward pass of another loss.
    """
    return (x - mean) * (variance + 1e-5) ** -0.5


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
        running = {
            "mean": self.variable("batch_stats", "mean", jnp.zeros, shape),
            "var": self.variable("batch_stats", "var", jnp.ones, shape),
        }
        wide = x.astype(jnp.float32)
        if train:
            mean, squares = (x.mean((0, 1, 2)) for x in (wide, jnp.square(wide)))
            # Not jnp.var: with micro-batches on several devices, XLA omits the sum over
            # the devices from its gradient.
            variance = jax.nn.relu(squares - jnp.square(mean))
            of_batch = {"mean": mean, "var": variance}
            y = standardize(wide, of_batch["mean"], of_batch["var"])
            if not self.is_initializing():
                for name, value in of_batch.items():
                    running[name].value = 0.9 * running[name].value + 0.1 * value
        else:
            y = standardize(wide, running["mean"].value, running["var"].value)
        if self.affine:
            scale, bias = (
                self.param("scale", ones, shape),
                self.param("bias", zeros, shape),
            )
            y = y * scale + bias
        return y.astype(x.dtype)


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
