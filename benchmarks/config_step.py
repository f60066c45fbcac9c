"""Time of a training step of configs, and the images a second of each.

    python -m benchmarks.config_step [CONFIG ...]

By default quick, and cifar10_palette beside cifar10. The images are noise, the weights
are those of a new run, and nothing is read from disk.
"""

import importlib

import jax
import numpy as np

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.distributed import make_mesh
from colorjax.quantize import Q
from colorjax.train.experiment import make_adam, make_method
from colorjax.train.step import make_init, make_step


def training(name: str) -> tuple[int, object]:
    """The size of a batch, and a function that takes the next step of the config."""
    config = importlib.import_module(f"configs.{name}").get_config().to_dict()
    size, side = config["batch"], config["data"]["crop"]
    batch = {
        "image": np.random.default_rng(0).integers(0, 256, (size, side, side, 3), "u1"),
        "mask": np.ones(size, np.float32),
        "index": np.arange(size, dtype=np.int32),
        "label": np.zeros(size, np.int32),
    }
    method = make_method(config["method"], np.full(Q, 1 / Q, np.float32))
    adam = make_adam(config["optimizer"]).transformation(config["steps"])
    parts = method, adam, config["seed"], make_mesh()
    state = make_init(*parts)(batch)
    take = make_step(*parts)

    def step():
        nonlocal state
        state, metrics = take(state, batch)
        jax.block_until_ready(metrics)

    return size, step


def main() -> None:
    flags = parser(__doc__, repeats=30)
    names = ["quick", "cifar10", "cifar10_palette"]
    flags.add_argument("configs", nargs="*", default=names, metavar="CONFIG")
    args = parse(flags)
    trainings = {name: training(name) for name in args.configs}
    ways = {name: step for name, (_, step) in trainings.items()}
    seconds = interleaved(ways, args.repeats)
    images = {
        name: size / np.median(seconds[name]) for name, (size, _) in trainings.items()
    }
    settings = {f"images/s, {name}": round(rate) for name, rate in images.items()}
    ratios = {}
    if {"cifar10", "cifar10_palette"} <= ways.keys():
        ratios["a step: cifar10_palette / cifar10"] = ("cifar10_palette", "cifar10")
    report(seconds, ratios, settings, args.json)


if __name__ == "__main__":
    main()
