"""Set-up of all tests: four virtual CPU devices, checked shapes, shared runs."""

import contextlib
import gc
import itertools
import os
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # configs, and the tests' helpers

import pytest  # noqa: E402
from filelock import FileLock, Timeout  # noqa: E402
from helpers import (  # noqa: E402
    CACHE,
    CACHE_BYTES,
    Result,
    environment,
    run_train,
    write_config,
    write_folder,
)


def lock_cache() -> FileLock:
    """Lock a folder for the programs that this process compiles.

    They are kept for the next session. JAX writes a file in parts, and locking and
    searching the folder for each of thousands of small programs takes longer than
    compiling them. So no other process uses the folder while the lock is held.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    for number in itertools.count():
        folder = CACHE / f"{worker}.{number}"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            break
    programs = {path: path.stat() for path in folder.iterdir() if path.name != "lock"}
    full = sum(status.st_size for status in programs.values()) > CACHE_BYTES
    changed = (ROOT / "tests" / "noisy.py").stat().st_mtime
    for path, status in programs.items():
        # A `StoredProgram` knows the source code of colorjax, but not of the tests.
        stale = path.name.startswith("colorjax-") and status.st_mtime < changed
        if full or stale:
            path.unlink()
    return lock


CACHE_LOCK = lock_cache()
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(CACHE_LOCK.lock_file).parent)
for key in (
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
):
    os.environ[key] = environment(devices=4)[key]

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("colorjax", "beartype.beartype")

from absl import flags  # noqa: E402

flags.FLAGS.mark_as_parsed()  # Grain's worker processes ask for them

from hypothesis import settings  # noqa: E402

# Every session draws the same examples; tests/fuzz.py draws others.
settings.register_profile("colorjax", derandomize=True, deadline=None, database=None)
settings.load_profile("colorjax")


def pytest_collection_finish():
    """Exempt what was imported from garbage collection, so that tracing is faster."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def trim_memory():
    """Return freed memory to the system: commands in this process have it kept."""
    yield
    from colorjax.runtime import trim_malloc

    trim_malloc()


class TrainedRun(NamedTuple):
    """A finished run of train.py: its config file, workdir, and process."""

    config: Path
    workdir: Path
    result: Result


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of 40 drawn scenes of 32x32 pixels. Tests do not change it."""
    return write_folder(tmp_path_factory.mktemp("scenes") / "scenes", 40)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, scenes):
    """A function that trains `helpers.TINY` with changes, on `scenes` if `data` has no
    `name`. Equal runs are trained once in a session, so a test copies a workdir before
    it changes it."""
    runs = {}

    def train(**changes) -> TrainedRun:
        key = repr(sorted(changes.items()))
        if key not in runs:
            folder = tmp_path_factory.mktemp("tiny_run")
            data = changes.pop("data", {})
            if "name" not in data:
                data = dict(root=str(scenes), holdout="sorted") | data
            config = write_config(folder / "tiny.py", data=data, **changes)
            result = run_train(f"--config={config}", f"--workdir={folder / 'run'}")
            assert result.code == 0, result.err
            runs[key] = TrainedRun(config, folder / "run", result)
        return runs[key]

    return train


@pytest.fixture(scope="session")
def minilm_package(tmp_path_factory) -> Path:
    """A folder with a small MiniLM as the package that has the published one."""
    from golden.clip_tensors import install_minilm  # imports colorjax

    return install_minilm(tmp_path_factory.mktemp("minilm"))


@pytest.fixture
def minilm(minilm_package, monkeypatch):
    """A small MiniLM is installed in this process."""
    from colorjax.text import sentences

    monkeypatch.syspath_prepend(minilm_package)
    caches = sentences._wordpiece, sentences._variables
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
