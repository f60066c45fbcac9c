"""Files that list images, one key a line: `write_list`, `listed`."""

import functools
import os
from collections.abc import Iterable

from etils import epath

from colorjax import files
from colorjax.data.folder import Folder
from colorjax.data.sources import Subset
from colorjax.data.tfds import TFDS
from colorjax.errors import UserError, counted, printable
from colorjax.progress import report

SHOWN = 3  # lines that a message quotes
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # the byte-order marks


def write_list(path: epath.PathLike, keys: Iterable[str]) -> None:
    """Write the keys of images to a file that `data.list` can name, atomically."""
    files.write_bytes(path, b"".join(os.fsencode(f"{key}\n") for key in keys))


def listed(source: Folder | TFDS, path: epath.PathLike, max_unmatched: int) -> Subset:
    """The images of a source that a list names, in the order of the source.

    A list may name images of other splits, too. It may have a byte-order mark, line
    ends of Windows and empty lines. Raises `UserError` where it names no image of this
    source, or where more than `max_unmatched` lines name no image of any split.
    """
    lines = _read_lines(path)
    places = source.locate(lines)
    unmatched = [x for x, place in zip(lines, places, strict=True) if place is None]
    indices = sorted({place for place in places if place is not None and place >= 0})
    if not indices:
        raise UserError(
            f"data.list {path}: names no image of this split, whose first one is "
            f"'{printable(source.key(0))}'; the list begins with "
            f"'{printable((lines or ['nothing'])[0])[:200]}'"
        )
    if unmatched:
        examples = ", ".join(f"'{printable(x)[:100]}'" for x in unmatched[:SHOWN])
        message = (
            f"data.list {path}: {counted(len(unmatched), 'line')} of {len(lines)} "
            f"match no image ({examples}{', ...' if len(unmatched) > SHOWN else ''})"
        )
        if len(unmatched) > max_unmatched:
            raise UserError(
                f"{message}; mend the list, or set data.max_unmatched to "
                f"{len(unmatched)}"
            )
        _report_once(message)
    return Subset(source, indices)


def _read_lines(path: epath.PathLike) -> list[str]:
    """The lines of a list that are not empty, without their ends."""
    data = files.read_bytes(path)
    if data.startswith(UTF16):
        text = data.decode("utf-16", errors="replace")
    else:
        text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [line for line in lines if line.strip()]


@functools.cache
def _report_once(message: str) -> None:
    """Report a message once, though a list is read for each split and each pass."""
    report(message)
