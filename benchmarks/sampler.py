"""Time of a sample of Palette: the default's 12 steps and the paper's 1000.

    python -m benchmarks.sampler [--config starter_palette] [--side 128]

The weights are those of a new run. Both ways have the same network; they differ in the
sampler and its number of steps.
"""

import importlib

import jax
import numpy as np

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.method import to_examples
from colorjax.train.experiment import make_method

PUBLISHED = dict(sampler="ancestral", steps=1000, noise="palette")
WAYS = "12 steps, dpmpp_2m", "1000 steps, ancestral"


def main() -> None:
    flags = parser(__doc__, repeats=3)
    flags.add_argument("--config", default="starter_palette")
    flags.add_argument("--side", type=int, default=128, help="pixels of the image")
    args = parse(flags)
    section = importlib.import_module(f"configs.{args.config}").get_config().method
    section = {**section.to_dict(), "sampler": "dpmpp_2m", "steps": 12}
    shape = (1, args.side, args.side, 3)
    image = np.random.default_rng(0).integers(0, 256, shape, "u1")
    examples = to_examples({"image": image, "mask": np.ones(1, np.float32)})
    nets = jax.jit(make_method(section).init)(jax.random.key(0), examples)
    inputs = {"lightness": examples["lightness"]}
    keys = jax.random.split(jax.random.key(0), 1)

    def way(options):
        predict = jax.jit(make_method({**section, **options}).predict)
        return lambda: jax.block_until_ready(predict(nets, inputs, keys))

    ways = dict(zip(WAYS, map(way, ({}, PUBLISHED)), strict=True))
    seconds = interleaved(ways, args.repeats, warmup=1)
    settings = {"config": args.config, "side": args.side}
    report(seconds, {"1000 steps / 12 steps": WAYS[::-1]}, settings, args.json)


if __name__ == "__main__":
    main()
