"""What the transformers for texts and images share: `Attention` and `Block`.

Source: Vaswani et al., "Attention Is All You Need", NIPS 2017.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from colorjax.nets.convnext import layer_norm

XAVIER = nn.initializers.xavier_uniform()
WIDER = 4  # times as many channels between the two dense layers of a block


class Attention(nn.Module):
    """Attention with several heads, which share the channels of `x`."""

    heads: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b q c"],
        keys: Float[Array, "b k c"],
        values: Float[Array, "b k c"],
        mask: Bool[Array, "#b 1 #q k"] | None = None,
    ) -> Float[Array, "b q c"]:
        """A token of `x` sees the keys for which the mask is true; without one, all."""

        def dense(y, name):
            options: dict[str, Any] = dict(dtype=y.dtype, kernel_init=XAVIER, name=name)
            return nn.Dense(y.shape[-1], **options)(y)

        def split(y, name):
            return dense(y, name).reshape(*y.shape[:2], self.heads, -1)

        y = nn.dot_product_attention(
            split(x, "query"), split(keys, "key"), split(values, "value"), mask=mask
        )
        return dense(y.reshape(x.shape), "out")


class Block(nn.Module):
    """Attention among the tokens, then two dense layers for each token.

    Both are added to their input. LayerNorm comes before each of the two with
    `norm_first`, and after each sum without it.
    """

    heads: int
    activation: Callable[[Array], Array]
    norm_first: bool
    epsilon: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n c"], mask: Bool[Array, "#b 1 #n n"] | None = None
    ) -> Float[Array, "b n c"]:
        """`mask` is that of `Attention`."""

        def attend(x):
            return Attention(self.heads, name="attention")(x, x, x, mask)

        def feed(x):
            y = nn.Dense(WIDER * x.shape[-1], dtype=x.dtype, name="widen")(x)
            return nn.Dense(x.shape[-1], dtype=x.dtype, name="narrow")(
                self.activation(y)
            )

        for number, layer in enumerate((attend, feed), start=1):
            name = f"norm{number}"
            if self.norm_first:
                x = x + layer(layer_norm(x, name, self.epsilon))
            else:
                x = layer_norm(x + layer(x), name, self.epsilon)
        return x
