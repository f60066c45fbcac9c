"""Features of L for another net, by a net of zhang2016: `Encoder`, `make_encoder`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.efficientnet_lite import CHANNELS, EfficientNetColorizer
from colorjax.nets.layers import apply_eval, apply_train
from colorjax.nets.vgg_dilated import VGGDilated

STRIDE = 8  # height and width of an input are multiples of this


class Encoder(NamedTuple):
    """A net from L to features at a quarter of the resolution.

    `frozen(layer)` says whether the layer of this name is not trained. Where any is
    not, `still` is true: BatchNorm uses its running statistics and keeps them.
    """

    net: nn.Module
    frozen: Callable[[str], bool]
    still: bool

    def features(
        self, variables: dict[str, Any], lightness: Float[Array, "b h w 1"], train: bool
    ) -> tuple[Float[Array, "b h/4 w/4 c"], dict[str, Any]]:
        """The features in float32, and the updated statistics."""
        params = {
            layer: jax.lax.stop_gradient(x) if self.frozen(layer) else x
            for layer, x in variables["params"].items()
        }
        variables = {**variables, "params": params}
        if not train or self.still:
            return apply_eval(self.net, variables, lightness), {}
        features, updates = apply_train(self.net, variables, lightness)
        return features.astype(jnp.float32), updates


def make_encoder(
    name: str, width: float, features: int, frozen: bool, dtype: jnp.dtype
) -> Encoder | None:
    """The encoder `name` with `features` outputs; "" is none.

    `width` scales the channels of "vgg_dilated", and of the decoder of
    "efficientnet_lite0". `frozen` trains neither the classifier of the latter nor any
    layer of the former but its last.
    """
    if not name:
        return None
    if name == "efficientnet_lite0":
        channels = round(CHANNELS * width)
        net = EfficientNetColorizer(features, channels, dtype=dtype)
        return Encoder(net, lambda layer: frozen and layer == "encoder", frozen)
    # Runs without a scale and an offset in BatchNorm leave these at 1 and 0.
    net = VGGDilated(features, width, affine=True, dtype=dtype)
    return Encoder(net, lambda layer: frozen and layer != "head", frozen)
