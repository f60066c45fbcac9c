"""Programs that outlive the process: `keep_programs` turns JAX's persistent cache on.

Every command shares one folder, so that a second start compiles nothing: the one that
$JAX_COMPILATION_CACHE_DIR names, or else `colorjax` in $XDG_CACHE_HOME or ~/.cache. It
may be deleted at any time.
"""

import os
import sys
from pathlib import Path

import jax


def keep_programs() -> None:
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
