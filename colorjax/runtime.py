"""The process that a command runs in: `enable_compilation_cache`, `configure_malloc`,
`trim_malloc`.

All commands share one folder of compiled programs, so a second start compiles nothing.
It is $JAX_COMPILATION_CACHE_DIR, or else `colorjax` in $XDG_CACHE_HOME or ~/.cache, and
may be deleted at any time.

By default glibc returns the large buffers of a training step to the system, and the
next step waits for as many pages to be cleared. It also keeps small free pieces in a
heap per thread, so that a process whose threads come and go seems to leak. A command
therefore uses one heap that keeps what is freed, and trims it at each checkpoint.
"""

import ctypes
import os
import sys
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Have JAX keep whatever it compiles; where the folder cannot be written, say so.

    JAX's own variable, empty, turns the cache off.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "colorjax"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            print(
                f"{folder} cannot be written: every start compiles anew; set "
                "JAX_COMPILATION_CACHE_DIR to another folder",
                file=sys.stderr,
            )
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default only what takes a second or more is kept; most of ours takes less.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


# Of <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def configure_malloc() -> None:
    """Keep freed memory, in one heap, for what comes next; before threads start."""
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_ARENA_MAX, 1)
        set_option(_MMAP_MAX, 0)  # no block of its own for a large buffer
        set_option(_TRIM_THRESHOLD, -1)  # no end of the heap is ever long enough


def trim_malloc() -> None:
    """Give freed memory back to the system."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str):
    """A function of the C library, or None where it has none of that name (musl)."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
