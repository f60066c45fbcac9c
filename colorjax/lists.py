"""Lists of pictures, and sources made of others: `write_list`, `listed`, `Joined`.

A list, which `colorjax doctor` writes, is a text file of the keys of a source, a line
each.
"""

import os
from collections.abc import Iterable, Sequence

from etils import epath

from colorjax import files
from colorjax.errors import UserError, printable
from colorjax.sources import Chosen, Encoded, Source


class Joined:
    """The pictures of several sources, one source after another."""

    def __init__(self, sources: Sequence[Source]):
        self.parts = [(source, i) for source in sources for i in range(len(source))]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Encoded:
        source, place = self.parts[index]
        return source[place]

    def name(self, index: int) -> str:
        source, place = self.parts[index]
        return source.name(place)

    def key(self, index: int) -> str:
        source, place = self.parts[index]
        return source.key(place)


def write_list(path: epath.PathLike, keys: Iterable[str]) -> None:
    """Write a list of pictures, all of it or nothing."""
    files.write_bytes(path, b"".join(os.fsencode(f"{key}\n") for key in keys))


def listed(source: Source, path: epath.PathLike) -> Chosen:
    """The pictures of a source that a list names, in the source's order.

    A list may name pictures of other splits too. Raises `UserError` where it names none
    of this one.
    """
    lines = os.fsdecode(files.read_bytes(path)).split("\n")
    wanted = set(lines)
    found = [i for i in range(len(source)) if source.key(i) in wanted]
    if not found:
        example, first = source.key(0), printable(next(filter(None, lines), "nothing"))
        raise UserError(
            f"data.list {path}: names no picture of this split, where the first is "
            f"'{printable(example)}'; the list begins with '{first[:200]}'"
        )
    return Chosen(source, found)
