"""How a training step's time and memory grow with pixels, batch and devices.

    python -m benchmarks.scaling [--width 0.25] [--device gpu] [--json PATH]

Every point is a process of its own, so that its peak memory is its own: that of the
process on a CPU, of the device elsewhere. On a CPU devices are virtual and share its
cores, so more of them show what dividing the work costs, not a speed-up.
"""

import json
import os
import resource
import subprocess
import sys

import jax
import numpy as np

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.distributed import make_mesh, shard_batch
from colorjax.quantize import Q
from colorjax.train.experiment import Experiment

BATCH, SIDE = 16, 64
POINTS = [
    *(dict(batch=BATCH, side=side, devices=1) for side in (64, 128, 192)),
    *(dict(batch=batch, side=SIDE, devices=1) for batch in (4, 64)),
    *(dict(batch=BATCH, side=SIDE, devices=devices) for devices in (2, 4)),
]


def measure(width: float, batch: int, side: int, repeats: int) -> dict[str, object]:
    """Seconds of steps on all devices, after compilation, and the peak of memory."""
    random = np.random.default_rng(0)
    mesh = make_mesh()
    config = dict(
        seed=0,
        steps=10**6,
        batch=batch,
        init_from="",
        data=dict(root="unused", resize=side, crop=side),
        method=dict(name="zhang2016", width=width),
        optimizer=dict(learning_rate=1e-4),
        step={},
        checkpoint={},
        evaluation={},
    )
    experiment = Experiment.from_config(config, mesh)
    images = shard_batch(
        {
            "image": random.integers(0, 256, (batch, side, side, 3), np.uint8),
            "mask": np.ones(batch, np.float32),
            "index": np.arange(batch, dtype=np.int32),
        },
        mesh,
    )
    state = experiment.init(images)
    compiled = experiment.make_step(np.full(Q, 1 / Q, np.float32))

    def step():
        nonlocal state
        state, _ = jax.block_until_ready(compiled(state, images))

    seconds = interleaved({"step": step}, repeats)["step"]
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if peak is None:
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": peak}


def main() -> None:
    flags = parser(__doc__, repeats=5)
    flags.add_argument("--width", type=float, default=0.25)
    flags.add_argument("--point", type=json.loads, help="measure this one only")
    args = parse(flags)
    if args.point:
        point = {key: args.point[key] for key in ("batch", "side")}
        print(json.dumps(measure(args.width, **point, repeats=args.repeats)))
        return
    seconds, peaks = {}, {}
    for point in POINTS:
        if args.device == "gpu" and point["devices"] > 1:
            continue
        name = "{batch} pictures, side {side}, {devices} devices".format(**point)
        count = f"--xla_force_host_platform_device_count={point['devices']}"
        given = os.environ.get("XLA_FLAGS", "")
        command = [sys.executable, "-m", "benchmarks.scaling", "--point"]
        command += [json.dumps(point), f"--width={args.width}"]
        command += [f"--repeats={args.repeats}", f"--device={args.device}"]
        done = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XLA_FLAGS": f"{given} {count}"},
        )
        found = json.loads(done.stdout.splitlines()[-1])
        seconds[name] = found["seconds"]
        peaks[name] = round(found["peak"] / 1e6)
    base = next(iter(seconds))
    ratios = {f"{name} / {base}": (name, base) for name in seconds if name != base}
    settings = {"width": args.width, "peak_megabytes": peaks}
    report(seconds, ratios, settings, args.json)


if __name__ == "__main__":
    main()
