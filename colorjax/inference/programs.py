"""Compiled programs that later processes run without tracing: `StoredProgram`.

JAX's own cache saves the time to compile, but JAX finds a program there by the traced
function, and to trace a network takes longer than to run it.

The files are pickles. Loading one can run anything, as can the machine code that JAX
itself stores beside it: whoever may write to the folder is trusted.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from colorjax import files
from colorjax.errors import UserError

SOURCE = Path(__file__).parent.parent  # the files that a program may be made of


class Entry(NamedTuple):
    """A stored program: what it was made of, and itself, serialized.

    `source` is the state of the machine and the source code, `lowered` that of the
    machine and the traced function.
    """

    source: str
    lowered: str
    parts: tuple[bytes, Any, Any]


class StoredProgram:
    """A jitted function of arrays whose compiled programs are stored.

    There is one program for each tree and the shapes of the arguments, a file in the
    folder of JAX's compilation cache. `name` tells the function from others. After any
    change of colorjax, JAX, Flax or the processor the function is traced again. If that
    makes another program, or if the file is missing or damaged, the program is compiled
    and stored again. Without a name or a folder nothing is stored.
    """

    def __init__(self, function: Any, name: str):
        self.function, self.name = function, name
        self._programs: dict[Any, Callable] = {}
        self._lock = threading.Lock()

    def __call__(self, *args: Any) -> Any:
        """The result of the function."""
        folder = jax.config.values["jax_compilation_cache_dir"]
        if not (self.name and folder) or "://" in folder or jax.process_count() > 1:
            return self.function(*args)
        leaves, tree = jax.tree.flatten(args)
        shapes = tuple((np.shape(leaf), str(leaf.dtype)) for leaf in leaves)
        with self._lock:
            if (tree, shapes) not in self._programs:
                path = Path(folder) / f"colorjax-{_hash(self.name, tree, shapes)}"
                self._programs[tree, shapes], result = self._first_call(path, args)
                return result
        return self._programs[tree, shapes](*args)

    def _first_call(self, path: Path, args: tuple[Any, ...]) -> tuple[Callable, Any]:
        """A program and its result."""
        entry, source = _read(path), _source()
        if entry and entry.source == source:
            with contextlib.suppress(Exception):  # XLA raises any kind
                return _call_stored(entry, args)
        lowered = self.function.lower(*args)
        text = _hash(_machine(), lowered.as_text())
        if entry and entry.lowered == text:
            with contextlib.suppress(Exception):
                called = _call_stored(entry, args)
                _write(path, entry._replace(source=source))
                return called
        with _without_cache():
            program = lowered.compile()
        with contextlib.suppress(Exception):  # not all devices can serialize
            _write(path, Entry(source, text, serialize_executable.serialize(program)))
        return program, program(*args)


def _call_stored(entry: Entry, args: tuple[Any, ...]) -> tuple[Callable, Any]:
    """The program of an entry and its result. Raises exceptions of any kind where it
    does not load or does not run."""
    device = jax.devices()[:1]
    program = serialize_executable.deserialize_and_load(
        *entry.parts, execution_devices=device
    )
    return program, jax.block_until_ready(program(*args))


@contextlib.contextmanager
def _without_cache() -> Iterator[None]:
    """Compile anew: XLA's CPU compiler serializes a program that JAX's cache has loaded
    to one that does not run."""
    before = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX reads the setting once
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _write(path: Path, entry: Entry) -> None:
    body = pickle.dumps(tuple(entry))
    with contextlib.suppress(UserError):  # `enable_compilation_cache` has told it
        files.write_bytes(path, hashlib.sha256(body).digest() + body)


def _read(path: Path) -> Entry | None:
    """The entry of a file; None where it is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, body = data[:32], data[32:]
    if digest != hashlib.sha256(body).digest():
        return None
    try:
        return Entry(*pickle.loads(body))
    except Exception:  # of any kind, where another version of JAX has written it
        return None


def _hash(*parts: Any) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@functools.cache
def _source() -> str:
    """The state of all that makes a program of a name and arguments."""
    paths = sorted(SOURCE.rglob("*.py"))
    stats = [(str(x), x.stat().st_size, x.stat().st_mtime_ns) for x in paths]
    return _hash(_machine(), importlib.metadata.version("flax"), stats)


@functools.cache
def _machine() -> str:
    """The state of all that makes a program of a traced function."""
    versions = [importlib.metadata.version(x) for x in ("jax", "jaxlib")]
    options = sorted(x for x in os.environ.items() if x[0].startswith(("JAX_", "XLA_")))
    devices = [device.device_kind for device in jax.devices()]
    return _hash(versions, options, devices, _processor())


def _processor() -> str:
    """The instructions that the CPU has, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return str(os.uname())
    names = ("flags", "Features", "model name")  # on x86 and ARM
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))
