"""`colorjax train` and `colorjax evaluate`: the scripts train.py and evaluate.py."""

import runpy
import sys

from colorjax.command_line import SCRIPTS

SUMMARIES = {
    "evaluate": "Measure runs beside baselines, on the same images.",
    "train": "Train a colorizer.",
}


def run(name: str, *flags: str) -> int:
    """Run a script with its flags, as `python NAME.py FLAGS` does.

    The script ends the process itself, with its own exit code.
    """
    sys.path.insert(0, str(SCRIPTS))  # the configs import each other from there
    sys.argv = [f"{name}.py", *flags]
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return 0
