"""A message before the first slow import: `loading`.

JAX and the libraries around it take a second to import, and on a cold disk a minute or
more. This module imports nothing slow, so every command starts with it.
"""

import contextlib
import multiprocessing
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def loading(command: str) -> Iterator[None]:
    """Show on a terminal that `command` is loading, while the body imports modules.

    Worker processes, which import the program again, show nothing.
    """
    shown = sys.stderr.isatty() and multiprocessing.parent_process() is None
    if not shown:
        yield
        return
    print(f"{command}: loading ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:  # the line is erased, so that messages begin where it began
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
