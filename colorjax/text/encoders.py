"""The encoders of text that a config may name: `ENCODERS`.

A network attends to *states*, [k t]: of each token a vector of length 1, then its
weight from 0 to 1. A token with the weight 0 is absent. Before, a text is *tokens*,
[k t], whose last column is the weight, too. A worker makes them without an accelerator.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.text import encoder, sentences


class TextEncoder(NamedTuple):
    """An encoder. Its functions raise `UserError` if its package is not installed.

    - `dimensions`: the numbers of a state without its weight;
    - `tokens`: shape and type of the tokens of a text;
    - `read(caption)`: the tokens of a caption, whose end may be lost;
    - `phrases(nouns)`: a function from the numbers of a color in `WORDS` and of a noun,
      -1 for none, to the tokens of both, for a batch in a jitted function;
    - `load()`: the variables of the encoder's net, if it has one;
    - `encode(variables, tokens)`: the states of a batch of texts;
    - `say(pairs)`: the states of pairs of a color and a noun, which may be "".
    """

    dimensions: int
    tokens: jax.ShapeDtypeStruct
    read: Callable[[str], np.ndarray]
    phrases: Callable[[Sequence[str]], Callable[[jax.Array, jax.Array], jax.Array]]
    load: Callable[[], dict[str, Any]]
    encode: Callable[[dict[str, Any], jax.Array], jax.Array]
    say: Callable[[Sequence[tuple[str, str]]], np.ndarray]


ENCODERS = {
    "use": TextEncoder(
        encoder.DIMENSIONS,
        jax.ShapeDtypeStruct((encoder.LONGEST, encoder.DIMENSIONS + 1), jnp.float32),
        encoder.read,
        encoder.phrases,
        dict,
        lambda variables, tokens: tokens,
        encoder.say,
    ),
    "minilm": TextEncoder(
        sentences.DIMENSIONS,
        jax.ShapeDtypeStruct((sentences.LENGTH, 2), jnp.int32),
        sentences.read,
        sentences.phrases,
        sentences.load,
        sentences.encode,
        sentences.say,
    ),
}
