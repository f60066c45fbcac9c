"""What tests share: drawn pictures, folders of them, commands run as processes."""

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

# The exception is ml_collections' own, and not shown to users.
WARNINGS = "error,ignore:the load_module() method:DeprecationWarning"

# Compiled programs are kept for the next session. JAX does not write them atomically,
# so each worker of pytest-xdist has a folder of its own.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
CACHE = Path(tempfile.gettempdir()) / f"colorjax-tests-{os.getuid()}" / WORKER


def scene(seed: int, side: int = 32) -> np.ndarray:
    """A landscape, uint8 [side, side, 3], whose colours can be told from lightness.

    The sky is light and blue, the meadow darker and green, the sun the lightest of all
    and yellow; every other scene has a house, dark and red.
    """
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    horizon = random.uniform(0.4, 0.65)

    def blend(start, end, amount):
        return start + (np.array(end) - start) * np.clip(amount, 0, 1)[..., None]

    sky = blend((80, 140, 235), (170, 205, 245), y / horizon)
    meadow = blend((95, 160, 60), (40, 105, 35), (y - horizon) / (1 - horizon))
    picture = np.where((y < horizon)[..., None], sky, meadow)

    left, top = random.uniform(0.1, 0.9), random.uniform(0.1, horizon - 0.1)
    radius = random.uniform(0.06, 0.12)
    picture[np.hypot(x - left, y - top) < radius] = 255, 240, 130
    if has_house(seed):
        left, foot = random.uniform(0.15, 0.55), random.uniform(horizon + 0.05, 0.95)
        width, height = random.uniform(0.2, 0.35), random.uniform(0.2, 0.35)
        wall = (x > left) & (x < left + width) & (y > foot - height) & (y < foot)
        picture[wall] = 140, 45, 40
    picture *= random.uniform(0.85, 1.0) * random.uniform(0.97, 1.0, (side, side, 1))
    return np.round(picture).astype(np.uint8)


def has_house(seed: int) -> bool:
    """Whether `scene(seed)` has a house."""
    return seed % 2 == 1


def encode(picture: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    """A picture as the bytes of a file; `options` are Pillow's."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def write_folder(folder: Path, count: int, side: int = 32) -> Path:
    """Write `scene(0)`, `scene(1)`, ... as 000.png, 001.png, ...; the folder."""
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


def write_config(path: Path, **changes) -> Path:
    """Write `TINY`, its sections updated by `changes`, as a config file; its path.

    A change of None drops the key.
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
    """What a process left behind."""

    code: int
    out: str
    err: str


def environment(devices: int = 1, **changes: str) -> dict[str, str]:
    """The environment of processes: virtual CPU devices, warnings as errors."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": WARNINGS,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{QUICK} --xla_force_host_platform_device_count={devices}",
        "JAX_COMPILATION_CACHE_DIR": str(CACHE),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **changes,
    }


def python(
    *args: str | Path, devices: int = 1, env=None, timeout: int = 300, **kwargs
) -> Result:
    """Run `python ARGS`; `env` is added to the `environment` of so many devices.

    `timeout` is in seconds, `kwargs` are those of `subprocess.run`.
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

    What only a process of its own can have is run as one: `env` and other `kwargs`.
    """
    if kwargs or not forks.AVAILABLE:
        return python(*args, devices=devices, cwd=cwd, timeout=timeout, **kwargs)
    command, cwd = list(map(str, args)), cwd or Path.cwd()
    return Result(*_server().run(command, environment(devices), cwd, timeout))


def run_train(*args: str | Path, **kwargs) -> Result:
    """Run `train.py ARGS`; `kwargs` are those of `python`."""
    return fork(ROOT / "train.py", *args, **kwargs)


def run_evaluate(*args: str | Path, **kwargs) -> Result:
    """Run `evaluate.py ARGS`; `kwargs` are those of `python`."""
    return fork(ROOT / "evaluate.py", *args, **kwargs)


def run_colorjax(*args: str | Path, **kwargs) -> Result:
    """Run `colorjax ARGS`; `kwargs` are those of `python`."""
    return fork("-m", "colorjax.cli", *args, **kwargs)


def start(config, workdir, *flags, env=None):
    """train.py as a process that can be killed; what it tells goes to WORKDIR.txt.

    `env` replaces the `environment` of one device.
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
    """Wait until the condition holds, which it must while the process runs."""
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    if not condition():
        process.kill()
        process.wait()
        raise AssertionError("it ended, or took too long")


def process_flags(processes: int) -> list[list[str]]:
    """The flags of `train.py` by which so many processes on this machine meet."""
    if processes == 1:
        return [[]]
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    meet = [f"--coordinator=localhost:{port}", f"--processes={processes}"]
    return [[*meet, f"--process={i}"] for i in range(processes)]
