"""Settings of Pillow and of the loggers that hold only while a picture file is read."""

import contextlib
import ctypes
import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import PIL
from PIL import Image

LOGGERS = ("PIL", "imagecodecs", "tifffile")


class SharedContext:
    """A context that many threads may be inside at once.

    The first thread to enter it enters `make()`, and the last one to leave exits that.
    So the settings of the process are saved once and restored once.
    """

    def __init__(self, make: Callable[[], AbstractContextManager]):
        self._make, self._lock = make, threading.Lock()
        self._inside, self._stack = 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._stack.enter_context(self._make())
            self._inside += 1

    def __exit__(self, *_) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._stack.close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings and log messages about broken metadata: no pixel depends on it.

    Also without Pillow's own limit on pixels; `io` checks a limit of ours.
    """
    _silence_libtiff()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels, limit = [logger.level for logger in loggers], Image.MAX_IMAGE_PIXELS
    # Not `catch_warnings`: one in another thread may be left first, and undo ours.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    own_filter = warnings.filters[0]
    Image.MAX_IMAGE_PIXELS = None
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        warnings.filters = [x for x in warnings.filters if x is not own_filter]
        Image.MAX_IMAGE_PIXELS = limit
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@functools.cache
def _silence_libtiff() -> None:
    """Turn off the lines that libtiff prints on stderr itself.

    Pillow has no setting for them. Pillow's wheels bring a copy of libtiff, which only
    Pillow uses. The copy of a system is left as it is.
    """
    folder = Path(PIL.__file__).parent
    linux, mac = folder.parent / "pillow.libs", folder / ".dylibs"
    for path in (*linux.glob("libtiff-*"), *mac.glob("libtiff.*")):
        ctypes.CDLL(str(path)).TIFFSetErrorHandler(None)


QUIET = SharedContext(_quiet)
