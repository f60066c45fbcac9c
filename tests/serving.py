"""The page of `colorjax serve` for tests: `serving`, and pictures to drop on it."""

import contextlib
import time

import numpy as np
from colorizers import write_run
from helpers import encode, environment, scene
from skimage.color import rgb2lab

from benchmarks.serve import served


@contextlib.contextmanager
def serving(folder, *arguments):
    """The address of `colorjax serve` with three runs.

    At its end it leaves no file behind, and has logged nothing about clients that left
    in the middle of a request.
    """
    runs = [
        write_run(folder / "x", temperature=0.5),
        write_run(folder / "y", temperature=0.9),
        write_run(folder / "z", "regression"),
    ]
    options = [f"--run={run}" for run in runs]
    options += ["--max-pixels=1e6", "--max-upload=2", *arguments]
    (folder / "tmp").mkdir()
    env = environment(PYTHONWARNINGS="", TMPDIR=str(folder / "tmp"))
    with (
        (folder / "log").open("w") as log,
        served(*options, env=env, stderr=log) as (process, address),
    ):
        yield address
    assert process.returncode == 0
    assert not list((folder / "tmp").iterdir())
    log = (folder / "log").read_text()
    assert "ASGI" not in log and "Disconnect" not in log, log


def picture(seed, side=60):
    """A drawn image of `side` x 4/3 `side` pixels, as a PNG."""
    return encode(np.hstack([scene(seed, side), scene(seed + 1, side)[:, : side // 3]]))


def lightness(rgb):
    """L of an image of 8 or 16 bits."""
    top = np.iinfo(rgb.dtype).max
    return rgb2lab(rgb / top)[..., 0]


def wait(condition, seconds=20):
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
