"""What the methods with published weights share: `predict_in_square`."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float


def predict_in_square(
    predict: Callable[[Float[Array, "b s s 1"]], Float[Array, "b s s 2"]],
    lightness: Float[Array, "b h w 1"],
) -> Float[Array, "b h w 2"]:
    """The ab that `predict` sees in the images when they are squeezed into squares.

    A square has the shorter side of the images.
    """
    batch, height, width, _ = lightness.shape
    side = min(height, width)
    square = jax.image.resize(lightness, (batch, side, side, 1), "linear")
    return jax.image.resize(predict(square), (batch, height, width, 2), "linear")
