"""Before JAX starts: four virtual CPU devices, and shapes checked as written."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # configs, and the tests' helpers

from helpers import environment  # noqa: E402

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
