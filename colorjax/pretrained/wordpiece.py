"""From texts to the tokens of BERT: `WordPiece`.

Source: Devlin et al., "BERT", NAACL 2019, of words in lower case and without accents.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath
from jaxtyping import Bool, Int

from colorjax import files
from colorjax.errors import UserError

VOCABULARY = "vocab.txt"
MOST = 1 << 23  # bytes of a vocabulary
START, END, PAD, UNKNOWN = "[CLS]", "[SEP]", "[PAD]", "[UNK]"
INSIDE = "##"  # how a part begins that does not begin a word
LENGTH = 32  # tokens of a text
LONGEST = 100  # letters of a word; a longer one is unknown
IDEOGRAPHS = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f])"
)


class WordPiece:
    """Makes tokens of texts, by a vocabulary that has one token a line.

    It can be pickled, so that processes that read data may hold it.
    """

    def __init__(self, vocabulary: Sequence[str], length: int = LENGTH):
        """A text becomes `length` tokens."""
        self.numbers = {part: i for i, part in enumerate(vocabulary)}
        self.length = length

    def __call__(
        self, texts: Sequence[str], cut: bool = False
    ) -> tuple[Int[np.ndarray, "b n"], Bool[np.ndarray, "b n"]]:
        """The tokens of texts, int32, and which of them are not padding.

        A text with too many tokens loses its end with `cut`, or else raises
        `UserError`.
        """
        tokens = np.full((len(texts), self.length), self.numbers[PAD], np.int32)
        for row, text in zip(tokens, texts, strict=True):
            parts = [part for word in _words(text) for part in self._parts(word)]
            parts = [START, *(parts[: self.length - 2] if cut else parts), END]
            if len(parts) > self.length:
                raise UserError(
                    f"'{text[:40]}...' has {len(parts)} tokens; the encoder reads "
                    f"{self.length}"
                )
            row[: len(parts)] = [self.numbers[part] for part in parts]
        return tokens, tokens != self.numbers[PAD]

    def _parts(self, word: str) -> list[str]:
        """The longest part of the vocabulary that begins a word, and so on."""
        parts, start = [], 0
        while start < len(word) <= LONGEST:
            mark = INSIDE if start else ""
            ends = range(len(word), start, -1)
            known = (end for end in ends if mark + word[start:end] in self.numbers)
            if not (end := next(known, 0)):
                return [UNKNOWN]
            parts.append(mark + word[start:end])
            start = end
        return parts or [UNKNOWN]


def load_wordpiece(folder: epath.PathLike, length: int = LENGTH) -> WordPiece:
    """The tokens by the vocabulary in a folder. Raises `UserError` without one."""
    path = epath.Path(folder) / VOCABULARY
    try:
        lines = files.read_bytes(path, MOST).decode().splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a vocabulary ({error})") from error
    if missing := {START, END, PAD, UNKNOWN} - set(lines):
        raise UserError(f"{path}: not a vocabulary of BERT; it has no {min(missing)}")
    return WordPiece(lines, length)


def _words(text: str) -> Iterator[str]:
    """The words of a text; each mark of punctuation and each ideograph is a word."""
    visible = "".join(c for c in text if c.isspace() or not _hidden(c))
    plain = unicodedata.normalize("NFD", IDEOGRAPHS.sub(r" \1 ", visible).lower())
    word = ""
    for c in plain:
        if unicodedata.category(c) == "Mn":  # an accent
            continue
        if not (c.isspace() or _is_punctuation(c)):
            word += c
            continue
        if word:
            yield word
        if not c.isspace():
            yield c
        word = ""
    if word:
        yield word


def _hidden(c: str) -> bool:
    return c == "\ufffd" or unicodedata.category(c).startswith("C")


def _is_punctuation(c: str) -> bool:
    symbol = c.isascii() and c.isprintable() and not c.isalnum() and not c.isspace()
    return symbol or unicodedata.category(c).startswith("P")
