"""From texts to the tokens of CLIP: `BytePairs`.

Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units",
ACL 2016, on the bytes of UTF-8 (Radford et al., GPT-2, 2019). The vocabulary follows
from the pairs that are merged, in their order.
"""

import io
import re
import unicodedata
import zlib
from collections.abc import Sequence
from gzip import GzipFile
from itertools import pairwise

import numpy as np
from etils import epath
from jaxtyping import Int

from colorjax import files
from colorjax.errors import UserError

FILES = "merges.txt", "bpe_simple_vocab_16e6.txt.gz"
MOST = 1 << 23  # bytes of a list of merges
END = "</w>"  # at the end of the last letter of a word
# Words, single digits, and runs of other characters. CLIP counts the few numbers that
# are neither digits nor letters, such as one half, among the digits.
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\w\s]|_)+")


class BytePairs:
    """Makes tokens of texts. `merges` are pairs of parts of words, the first first."""

    def __init__(self, merges: Sequence[tuple[str, ...]], length: int):
        """A text becomes `length` tokens."""
        letters = _letters()
        ends = [f"{letter}{END}" for letter in letters]
        joined = ["".join(pair) for pair in merges]
        self.numbers = {part: i for i, part in enumerate([*letters, *ends, *joined])}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.length, size = length, 2 * len(letters) + len(joined)
        self.start, self.end = size, size + 1
        self.letters = dict(zip(_byte_order(), letters, strict=True))

    def __call__(self, texts: Sequence[str]) -> Int[np.ndarray, "b n"]:
        """The tokens of texts: start, parts of words, end, and zeros.

        Raises `UserError` for a text with too many tokens.
        """
        tokens = np.zeros((len(texts), self.length), np.int32)
        for row, text in zip(tokens, texts, strict=True):
            normal = unicodedata.normalize("NFC", text).lower()
            words = [self._parts(word) for word in WORD.findall(normal)]
            numbers = [self.start, *(i for parts in words for i in parts), self.end]
            if len(numbers) > self.length:
                raise UserError(
                    f"'{text[:40]}...' has {len(numbers)} tokens, and CLIP reads "
                    f"{self.length}"
                )
            row[: len(numbers)] = numbers
        return tokens

    def _parts(self, word: str) -> list[int]:
        """The tokens of a word: its bytes, merged pair by pair."""
        parts = [self.letters[byte] for byte in word.encode()]
        parts[-1] += END
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            first = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if first not in self.ranks:
                break
            merged, i = [], 0
            while i < len(parts):
                joins = tuple(parts[i : i + 2]) == first
                merged.append("".join(parts[i : i + 1 + joins]))
                i += 1 + joins
            parts = merged
        return [self.numbers[part] for part in parts]


def load_bytepairs(folder: epath.PathLike, vocabulary: int, length: int) -> BytePairs:
    """The tokens that go with weights in a folder, by a list of merges there.

    The list is one of `FILES`: that of Hugging Face and open_clip, or that of OpenAI's
    repository, which is longer than needed. Raises `UserError` where there is neither,
    or it is too short for a vocabulary of this size.
    """
    beside = [files.expand(folder) / name for name in FILES]
    if not (paths := [path for path in beside if path.exists()]):
        raise UserError(
            f"{folder}: has no vocabulary of CLIP; put {FILES[0]} of the weights' page "
            f"or {FILES[1]} of OpenAI's repository beside the weights"
        )
    data = files.read_bytes(paths[0], MOST)
    try:
        if paths[0].suffix == ".gz":
            data = GzipFile(fileobj=io.BytesIO(data)).read(MOST)
        lines = data.decode().splitlines()[1:]  # the first one is a comment
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(f"{paths[0]}: not a list of merges ({error})") from error
    count = vocabulary - 2 * len(_letters()) - 2
    merges = [tuple(line.split()) for line in lines[:count]]
    if len(merges) < count or any(len(pair) != 2 for pair in merges):
        raise UserError(
            f"{paths[0]}: not a list of merges; expected {count:,} pairs, one a line"
        )
    return BytePairs(merges, length)


def _byte_order() -> list[int]:
    """All bytes: those that are visible in Latin-1, then the others."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [*visible, *(byte for byte in range(256) if byte not in visible)]


def _letters() -> list[str]:
    """A letter for each of `_byte_order`: its own, or one beyond Latin-1."""
    visible = [chr(byte) for byte in _byte_order()[:188]]
    return [*visible, *(chr(256 + i) for i in range(256 - len(visible)))]
