"""Shared by tests: drawn images, folders of them, configs, commands as processes.

Nothing here imports JAX or colorjax, which read the environment that `conftest` sets.
"""

import functools
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import forks
import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = GOLDEN / "published"

# ml_collections itself uses what it warns of; users do not see that warning.
WARNINGS = "error,ignore:the load_module() method:DeprecationWarning"

# Settings with which XLA compiles in less than half the time.
QUICK = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    )
)
# Programs that commands compile are kept for the next session. Commands share them: JAX
# locks the folder, which it does only where the size has a limit.
CACHE = Path(tempfile.gettempdir()) / f"colorjax-tests-{os.getuid()}"
CACHE_BYTES = 2_000_000_000


def scene(seed: int, side: int = 32) -> np.ndarray:
    """Draw a landscape, uint8 [side, side, 3], whose color follows from its lightness.

    The sky is light blue, the meadow is darker green, and the sun is yellow and the
    lightest part. Every other scene has a dark red house.
    """
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    horizon = random.uniform(0.4, 0.65)

    def blend(start, end, amount):
        return start + (np.array(end) - start) * np.clip(amount, 0, 1)[..., None]

    sky = blend((80, 140, 235), (170, 205, 245), y / horizon)
    meadow = blend((95, 160, 60), (40, 105, 35), (y - horizon) / (1 - horizon))
    image = np.where((y < horizon)[..., None], sky, meadow)

    left, top = random.uniform(0.1, 0.9), random.uniform(0.1, horizon - 0.1)
    radius = random.uniform(0.06, 0.12)
    image[np.hypot(x - left, y - top) < radius] = 255, 240, 130
    if has_house(seed):
        left, foot = random.uniform(0.15, 0.55), random.uniform(horizon + 0.05, 0.95)
        width, height = random.uniform(0.2, 0.35), random.uniform(0.2, 0.35)
        wall = (x > left) & (x < left + width) & (y > foot - height) & (y < foot)
        image[wall] = 140, 45, 40
    image *= random.uniform(0.85, 1.0) * random.uniform(0.97, 1.0, (side, side, 1))
    return np.round(image).astype(np.uint8)


def has_house(seed: int) -> bool:
    """Whether `scene(seed)` has a house."""
    return seed % 2 == 1


# Of `things_scene`, as COCO has them: class, (top, left, bottom, right), is it a crowd.
THINGS = (
    ("bird", (0.1, 0.75, 0.25, 0.875), False),
    ("car", (0.25, 0.25, 0.75, 0.625), False),
    ("person", (0.0, 0.0, 1.0, 1.0), True),
)


def things_scene(seed: int) -> np.ndarray:
    """A scene of 48x64 pixels with a red, blue, green or yellow car."""
    image = scene(2 * seed, 64)[:48]
    colors = (220, 30, 30), (30, 60, 220), (10, 220, 30), (230, 210, 20)
    image[12:36, 16:40] = colors[seed % 4]
    return image


def encode(image: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    """The bytes of an image file; `options` are those of Pillow's `save`."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def write_folder(folder: Path, count: int, side: int = 32) -> Path:
    """Write `scene(0)`, `scene(1)`, ... as 000.png, 001.png, ...; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:03d}.png").write_bytes(encode(scene(i, side)))
    return folder


TINY = dict(
    seed=0,
    steps=2,
    batch=4,
    init_from="",
    data=dict(root="", resize=16, crop=16),
    method=dict(name="zhang2016", width=1 / 16),
    optimizer=dict(learning_rate=1e-3),
    step=dict(),
    checkpoint=dict(every=100),
    evaluation=dict(batch=4, replicates=2),
)
PALETTE = dict(  # the smallest method that samples
    name="palette",
    net="transformer",
    width=1 / 48,
    net_options=dict(depth=1),
    steps=2,
    ema=0.9,
)


def write_config(path: Path, **changes) -> Path:
    """Write `TINY` with `changes` to its keys as a config file; return its path.

    A section is updated by the keys of its change. None removes a key.
    """
    config = dict(TINY)
    for key, value in changes.items():
        if isinstance(value, dict):
            value = {**config.get(key, {}), **value}
            value = {k: v for k, v in value.items() if v is not None}
        config[key] = value
    config = {key: value for key, value in config.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "from ml_collections import ConfigDict\n\n\n"
        f"def get_config():\n    return ConfigDict({config!r})\n"
    )
    return path


class Result(NamedTuple):
    """Exit code, standard output and standard error of a process."""

    code: int
    out: str
    err: str


def environment(devices: int = 1, **changes: str) -> dict[str, str]:
    """The environment of a process: virtual CPU devices, warnings as errors."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": WARNINGS,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{QUICK} --xla_force_host_platform_device_count={devices}",
        "JAX_COMPILATION_CACHE_DIR": str(CACHE),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(CACHE_BYTES),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **changes,
    }


def python(
    *args: str | Path, devices: int = 1, env=None, timeout: int = 300, **kwargs
) -> Result:
    """Run `python ARGS` with `env` added to `environment(devices)`.

    `timeout` is in seconds; `kwargs` go to `subprocess.run`.
    """
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env=environment(devices, **env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        **kwargs,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@functools.cache
def _server() -> forks.Server:
    return forks.Server(environment())


def fork(*args: str | Path, devices=1, cwd=None, timeout=300, **kwargs) -> Result:
    """Run `python ARGS` as a fork of a process that has imported the libraries.

    With `kwargs` it runs as `python` does: the fork knows only the default environment.
    """
    if kwargs or not forks.AVAILABLE:
        return python(*args, devices=devices, cwd=cwd, timeout=timeout, **kwargs)
    command, cwd = list(map(str, args)), cwd or Path.cwd()
    return Result(*_server().run(command, environment(devices), cwd, timeout))


def run_train(*args: str | Path, **kwargs) -> Result:
    """Run `train.py ARGS`; `kwargs` go to `python`."""
    return fork(ROOT / "train.py", *args, **kwargs)


def run_evaluate(*args: str | Path, **kwargs) -> Result:
    """Run `evaluate.py ARGS`; `kwargs` go to `python`."""
    return fork(ROOT / "evaluate.py", *args, **kwargs)


def run_colorjax(*args: str | Path, **kwargs) -> Result:
    """Run `colorjax ARGS`; `kwargs` go to `python`."""
    return fork("-m", "colorjax", *args, **kwargs)


def start(config, workdir, *flags, env=None):
    """Start train.py as a process that tests can kill; its output goes to WORKDIR.txt.

    `env` replaces `environment()`.
    """
    command = [sys.executable, str(ROOT / "train.py"), f"--config={config}", *flags]
    with (workdir.parent / f"{workdir.name}.txt").open("a") as log:
        return subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            env=env or environment(),
            stdout=log,
            stderr=log,
        )


def wait_for(condition, process):
    """Wait until the condition holds; fail if the process ends before."""
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    if not condition():
        process.kill()
        process.wait()
        raise AssertionError("the process ended or took too long")


def process_flags(processes: int) -> list[list[str]]:
    """For each of several processes on this machine, the flags of `train.py` with which
    they find each other."""
    if processes == 1:
        return [[]]
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    meet = [f"--coordinator=localhost:{port}", f"--processes={processes}"]
    return [[*meet, f"--process={i}"] for i in range(processes)]
