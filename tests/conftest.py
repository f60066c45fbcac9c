"""Before JAX starts: four virtual CPU devices, and shapes checked as written; then the
runs that tests share."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # configs, and the tests' helpers

import pytest  # noqa: E402
from helpers import environment, run_train, write_config, write_folder  # noqa: E402

for key in ("XLA_FLAGS", "JAX_PLATFORMS"):
    os.environ[key] = environment(devices=4)[key]

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("colorjax", "beartype.beartype")

from absl import flags  # noqa: E402

flags.FLAGS.mark_as_parsed()  # Grain's worker processes ask for them

from hypothesis import settings  # noqa: E402

# The same examples every time; tests/fuzz.py draws others.
settings.register_profile("colorjax", derandomize=True, deadline=None, database=None)
settings.load_profile("colorjax")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of 40 drawn scenes of 32x32 pixels; tests change nothing in it."""
    return write_folder(tmp_path_factory.mktemp("scenes") / "scenes", 40)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, scenes):
    """A function that trains `helpers.TINY` with changes on `scenes`, and returns the
    config file and the workdir. Equal changes are trained once in a session, so tests
    change nothing in a workdir but in their own copy of it."""
    runs = {}

    def run(**changes) -> tuple[Path, Path]:
        key = repr(sorted(changes.items()))
        if key not in runs:
            folder = tmp_path_factory.mktemp("tiny_run")
            data = dict(root=str(scenes), holdout="sorted") | changes.pop("data", {})
            config = write_config(folder / "tiny.py", data=data, **changes)
            result = run_train(f"--config={config}", f"--workdir={folder / 'run'}")
            assert result.code == 0, result.err
            runs[key] = config, folder / "run"
        return runs[key]

    return run
