"""A small encoder of sentences: `MiniLM`, `net_of`.

The layers are those of BERT (Devlin et al., NAACL 2019). Source: Wang et al., "MiniLM:
Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
Transformers", NeurIPS 2020; the weights that we know were trained on pairs of sentences
(Reimers and Gurevych, "Sentence-BERT", EMNLP 2019).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from colorjax.nets.convnext import layer_norm
from colorjax.nets.transformer import Block

EPSILON = 1e-12  # of LayerNorm
HEADS = 12  # of attention
SMALL = nn.initializers.normal(0.02)
KINDS = 2  # of sentences that BERT was trained to join; ours are of the first


class MiniLM(nn.Module):
    """Tokens to a state of each, with `width` numbers.

    A token is a number of the `vocabulary`. A text has `length` tokens at most.
    """

    width: int = 384
    layers: int = 6
    vocabulary: int = 30522
    length: int = 512

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "b n"], mask: Bool[Array, "b n"]
    ) -> Float[Array, "b n width"]:
        """Both are those of `pretrained.wordpiece`; the mask is false for padding.

        The states of padding mean nothing.
        """
        table = self.param("tokens", SMALL, (self.vocabulary, self.width))
        positions = self.param("positions", SMALL, (self.length, self.width))
        kinds = self.param("kinds", SMALL, (KINDS, self.width))
        x = jnp.take(table, tokens, axis=0) + positions[: tokens.shape[1]] + kinds[0]
        x = layer_norm(x, "norm", EPSILON)
        gelu = partial(nn.gelu, approximate=False)
        for number in range(self.layers):
            block = Block(HEADS, gelu, False, EPSILON, name=f"block{number}")
            x = block(x, mask[:, None, None])
        return x


def net_of(params: Mapping[str, Any]) -> MiniLM:
    """The net that has these params."""
    vocabulary, width = params["tokens"].shape
    layers = sum(name.startswith("block") for name in params)
    return MiniLM(width, layers, vocabulary, len(params["positions"]))
