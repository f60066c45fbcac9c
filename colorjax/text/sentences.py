"""Sentences by the encoder "minilm", which gives each token a state in its sentence.

A worker that reads a caption makes its tokens (`read`), which is cheap. The net that
makes their states runs in the step of training (`encode`), where it costs little beside
the denoiser; workers have no accelerator. The functions are those of
`encoders.TextEncoder`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from colorjax.nets.minilm import net_of
from colorjax.pretrained import minilm, weights, wordpiece
from colorjax.text.color_words import WORDS

DIMENSIONS = 384  # numbers of a state
LENGTH = wordpiece.LENGTH  # tokens of a text


def read(caption: str) -> Int[np.ndarray, "32 2"]:
    """The tokens of a caption, as many as fit; none of an empty one.

    Raises `UserError` if MiniLM is not installed.
    """
    return _tokens(caption, cut=True)


def phrases(
    nouns: Sequence[str],
) -> Callable[[Int[Array, "b"], Int[Array, "b"]], Int[Array, "b 32 2"]]:
    """A function from colors and nouns to the tokens of "red car", "red" or "car"."""
    table = [
        [_tokens(f"{color} {noun}".strip()) for noun in (*nouns, "")]
        for color in (*WORDS, "")
    ]
    texts = jnp.asarray(np.array(table))
    return lambda color, noun: texts[color, noun]


def load() -> dict[str, Any]:
    """The variables of the net. Raises `UserError` if MiniLM is not installed."""
    return minilm.load_minilm(weights.read(minilm.packaged_folder() / minilm.FILE))[1]


def encode(variables: dict[str, Any], texts: Int[Array, "b 32 2"]) -> Array:
    """The state of each token, with the length 1, and the weight of the token."""
    tokens, weight = texts[..., 0], texts[..., 1]
    net = net_of(variables["params"])
    states = jnp.asarray(net.apply(variables, tokens, weight > 0))
    states /= jnp.linalg.norm(states, axis=-1, keepdims=True)
    return jnp.concatenate([states, weight[..., None].astype(states.dtype)], axis=-1)


def say(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, "32 t"]:
    """The states of the tokens of a sentence such as "red car, blue sky".

    Raises `UserError` if it has too many tokens, or if MiniLM is not installed.
    """
    sentence = ", ".join(" ".join(pair).strip() for pair in pairs)
    return np.asarray(_encode(_variables(), _tokens(sentence)[None]))[0]


def _tokens(text: str, cut: bool = False) -> Int[np.ndarray, "32 2"]:
    if not text.strip():
        return np.zeros((LENGTH, 2), np.int32)
    tokens, mask = _wordpiece()([text], cut)
    return np.stack([tokens[0], mask[0]], axis=-1, dtype=np.int32)


@lru_cache(1)
def _wordpiece() -> wordpiece.WordPiece:
    return wordpiece.load_wordpiece(minilm.packaged_folder(), LENGTH)


@lru_cache(1)
def _variables() -> dict[str, Any]:
    return load()


_encode = jax.jit(encode)
