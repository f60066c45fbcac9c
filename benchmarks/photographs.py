"""The training loop from a folder of photographs of 12 megapixels.

    python -m benchmarks.photographs [--pictures N] [--passes N] [--json PATH]

First one core reads all images as training does: with an empty cache, then from the
cache, and without one. Then `train.py --config=configs/folder.py` runs at a quarter of
the width, with the cache and without. Its log tells how much of the time of its steps
it waits for images. A run passes over its images before its first step, so its steps
find all images in the cache.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.input import seconds, write_jpegs
from benchmarks.timing import parse, parser, report

ROOT = Path(__file__).parent.parent
WIDTH, NOISE = 4000, 6.0  # pixels, and levels of 255: files of about 4 MB
BATCH = 64  # of the config

READ = """
import json, os, sys, time
folder, cache = sys.argv[1:]
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
from colorjax.data.pipeline import ImageDataset

dataset = ImageDataset(root=folder, resize=128, crop=112, cache=cache)
source = dataset.source("all")
begun = time.perf_counter()
for _ in dataset.single_pass(source, 1, reduced=True):
    pass
print(json.dumps([time.perf_counter() - begun]))
"""


def train(folder: Path, workdir: Path, cache: str, steps: int) -> list[dict]:
    """The lines of the log of a run whose steps were timed; the first one was not,
    because it compiles."""
    options = {
        "workdir": workdir,
        "config": "configs/folder.py",
        "config.data.root": folder,
        "config.data.cache": cache,
        "config.data.workers": 2,
        "config.method.width": 0.25,
        "config.optimizer.warmup": 1,
        "config.steps": steps,
    }
    flags = [f"--{key}={value}" for key, value in options.items()]
    command = [sys.executable, "train.py", *flags]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    text = (workdir / "log.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    timed = [line for line in lines if line["step_seconds"]]
    if not timed:
        raise SystemExit("no step was timed; give more --pictures or --passes")
    return timed


def main() -> None:
    flags = parser(str(__doc__), repeats=3)
    flags.add_argument("--pictures", type=int, default=256)
    flags.add_argument("--passes", type=int, default=6, help="of the training")
    args = parse(flags)
    steps = args.passes * args.pictures // BATCH
    times: dict[str, list[float]] = {}
    settings: dict[str, object] = {"pictures": args.pictures}
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        folder = here / "photographs"
        folder.mkdir()
        write_jpegs(folder, args.pictures, WIDTH, NOISE)
        files = sum(file.stat().st_size for file in folder.iterdir())
        settings["MB a file"] = round(files / args.pictures / 1e6, 2)
        for number in range(args.repeats):
            own = str(here / f"cache{number}")
            ways = {"first pass": own, "later pass": own, "no cache": ""}
            for way, cache in ways.items():
                (took,) = seconds(sys.executable, READ, folder, cache) or [0.0]
                name = f"an image on one core, {way}"
                times.setdefault(name, []).append(took / args.pictures)
        for way, cache in {"cache": str(here / "cache"), "no cache": ""}.items():
            lines = train(folder, here / f"run, {way}", cache, steps)
            spent = times[f"a step, {way}"] = [line["step_seconds"] for line in lines]
            waited = sum(line["waiting_seconds"] for line in lines)
            settings[f"share that waits, {way}"] = round(waited / sum(spent), 4)
    for name in [*times][:3]:
        settings[f"images/s: {name}"] = round(1 / np.median(times[name]), 1)
    ratios = {"a step: no cache / cache": ("a step, no cache", "a step, cache")}
    report(times, ratios, settings, args.json)


if __name__ == "__main__":
    main()
