"""Timing ways to do the same, side by side: `parser`, `parse`, `interleaved`,
`report`."""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable

import jax

from colorjax import runtime

PAUSE = 0.2  # seconds between calls, for the threads of one library to stop spinning


def parser(doc: str, repeats: int) -> argparse.ArgumentParser:
    """The flags of every benchmark; `doc` is the docstring of its module."""
    flags = argparse.ArgumentParser(description=doc.splitlines()[0])
    flags.add_argument("--repeats", type=int, default=repeats, help="timed rounds")
    flags.add_argument("--json", type=pathlib.Path, help="write the figures here")
    flags.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    return flags


def parse(flags: argparse.ArgumentParser) -> argparse.Namespace:
    """The flags as given; JAX computes on their device from here on, with the settings
    of every command."""
    args = flags.parse_args()
    runtime.configure_malloc()
    runtime.configure_xla()
    jax.config.update("jax_platforms", "cpu" if args.device == "cpu" else "cuda,cpu")
    return args


def interleaved(
    ways: dict[str, Callable[[], object]], repeats: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Seconds of each call, by way; the ways take turns, so that all see the same load.

    A way returns when its work is done. Every other round goes backwards.
    """
    seconds = {name: [] for name in ways}
    for turn in range(-warmup, repeats):
        order = list(ways) if turn % 2 == 0 else list(reversed(ways))
        for name in order:
            time.sleep(PAUSE)
            begun = time.perf_counter()
            ways[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def report(
    seconds: dict[str, list[float]],
    ratios: dict[str, tuple[str, str]],
    settings: dict[str, object],
    path: pathlib.Path | None,
) -> None:
    """Print medians, quartiles and ratios of medians; write them to `path` as JSON.

    `ratios` are pairs (numerator, denominator) of ways, by label.
    """
    quartiles = {
        name: statistics.quantiles(values, n=4, method="inclusive")
        for name, values in seconds.items()
    }
    figures = {
        "machine": machine(),
        "settings": settings,
        "seconds": {
            name: {"median": median, "quartiles": [low, high], "all": seconds[name]}
            for name, (low, median, high) in quartiles.items()
        },
        "ratios": {
            label: quartiles[slow][1] / quartiles[fast][1]
            for label, (slow, fast) in ratios.items()
        },
    }
    print(figures["machine"] | settings)
    wide = max(len(name) for name in [*quartiles, *ratios])
    print(f"{'milliseconds':{wide}}  {'median':>9}  {'quartiles':>18}")
    for name, (low, median, high) in quartiles.items():
        print(f"{name:{wide}}  {1e3 * median:9.2f}  {1e3 * low:8.2f} {1e3 * high:9.2f}")
    for label, ratio in figures["ratios"].items():
        print(f"{label:{wide}}  {ratio:9.2f}")
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n")


def machine() -> dict[str, object]:
    """What a figure depends on besides the code."""
    versions = {}
    for package in ("jax", "jaxlib", "flax", "optax", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "platform": platform.platform(),
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **versions,
    }
