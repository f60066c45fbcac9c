"""Before JAX starts: four virtual CPU devices, and shapes checked as written."""

import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["JAX_PLATFORMS"] = "cpu"

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # configs, and the tests' helpers

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("colorjax", "beartype.beartype")

from absl import flags  # noqa: E402

flags.FLAGS.mark_as_parsed()  # Grain's worker processes ask for them
