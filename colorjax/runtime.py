"""The process that a command runs in: `run_main`, `start`, `enable_compilation_cache`,
`configure_xla`, `configure_malloc`, `trim_malloc`.

All commands share one folder of compiled programs, so a second start compiles nothing.
The folder is $JAX_COMPILATION_CACHE_DIR; if that is not set, it is `colorjax` in
$XDG_CACHE_HOME or ~/.cache. It may be deleted at any time.

By default glibc returns the large buffers of a training step to the system. The next
step then waits until the system has cleared the same number of pages. glibc also keeps
small free blocks in a heap per thread, so a process that starts many threads seems to
leak. A command therefore uses a single heap, which keeps freed memory, and trims it at
each checkpoint.

On the CPU, XLA hands convolutions to the library YNNPACK, which runs those with a 1x1
kernel or few channels on one thread. A command therefore has XLA's own convolutions.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax

from colorjax import command_line, distributed
from colorjax.errors import UserError, reason
from colorjax.progress import report


def run_main(
    name: str, main: Callable[[], int], argv: Sequence[str] | None = None
) -> int:
    """Call `main` and return the exit code of the command called `name`.

    absl flags are parsed from `argv` first, if it is given. A user's mistake is printed
    as one line and gives 2, Ctrl-C gives 130, a closed pipe 141, a lost process 1.
    Other exceptions keep their traceback. If one of several processes fails, all of
    them end.
    """
    code = 1
    try:
        if argv is not None:
            command_line.parse_flags(argv)
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        code = 128 + 13  # as of a process that SIGPIPE ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        code = 2
        report(f"{name}: {error}", all_processes=True)
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        report(
            f"{name}: another process was lost ({reason(error)}); start the same "
            "command again on every host to resume from the last checkpoint",
            all_processes=True,
        )
    except KeyboardInterrupt:
        code = 130
    finally:
        if code:
            distributed.exit_together(code)
    return code


def start(processes: Iterable[Any]) -> None:
    """Set up a process of train.py or evaluate.py, before it uses a device.

    `processes` are the arguments of `distributed.initialize`, whose errors it raises.
    """
    configure_malloc()
    configure_xla()
    enable_compilation_cache()
    distributed.initialize(*processes)


def enable_compilation_cache() -> None:
    """Have JAX store all compiled programs; warn if the folder cannot be written.

    If JAX_COMPILATION_CACHE_DIR is set and empty, nothing is stored.
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
            report(
                f"{folder} cannot be written: every start compiles again; set "
                "JAX_COMPILATION_CACHE_DIR to another folder"
            )
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default JAX stores only programs that take a second or more to compile.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


# The parts of a program that YNNPACK computes on the CPU: products, no convolutions.
# Others have found slow reductions there: https://github.com/jax-ml/jax/issues/37465
_YNNPACK = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"


def configure_xla() -> None:
    """Have XLA use its own convolutions on the CPU; call it before JAX compiles.

    If XLA_FLAGS names the setting already, nothing changes.
    """
    given = os.environ.get("XLA_FLAGS", "")
    # A JAX that does not know the value would end the process; 0.11 was not tried.
    if _YNNPACK.partition("=")[0] not in given and jax.__version_info__ < (0, 11):
        os.environ["XLA_FLAGS"] = f"{given} {_YNNPACK}".strip()


# Option numbers of <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def configure_malloc() -> None:
    """Keep freed memory in one heap for later use; call it before threads start."""
    set_option = _function("mallopt")
    if set_option is not None:
        set_option(_ARENA_MAX, 1)
        set_option(_MMAP_MAX, 0)  # large buffers come from the heap too
        set_option(_TRIM_THRESHOLD, -1)  # never shrink the heap by itself


def trim_malloc() -> None:
    """Return freed memory to the system."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None if the library (such as musl) lacks it."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
