"""What a TPU slice would do with a config, found by compiling for it.

    python -m benchmarks.pod [--config imagenet_pod] [--chip v5e]
        [--topology 2x2,4x8] [--shard] [--dtype float32]
        [--batch N | --global-batch N] [--json PATH]

No TPU is needed: the real training step is compiled ahead of time for each topology on
this machine's CPU, with `jax[tpu]` installed, one to several minutes each. `--batch` is
a chip's (weak scaling), `--global-batch` that of all (strong scaling). Exits with 1 if
the devices exchange anything but gradients and BatchNorm's moments. With `--shard` each
device holds a part of the state (`step.shard`). Then they exchange parameters, too, and
nothing is checked. `--dtype` replaces the config's `method.dtype`, in which the layers
compute and gradients are summed over the devices.

The times are predictions, never measured: all rates are the chip's peak, and nothing
overlaps. A collective passes along each axis of the slice, there and back. An axis of
16 chips or more is a ring, in which the farthest chip is half of it away; a shorter one
is a line. A hop takes 1 us, an assumption.

    compute  = FLOPs a device / peak rate of bfloat16
    memory   = bytes a device moves to and from HBM / its bandwidth
    exchange = 2 (n - 1) / n * bytes of all-reduces / bandwidth of all links, one way
    latency  = collectives * 2 * hops along all axes * 1 us
    step     = max(compute, memory) + exchange + latency
"""

import argparse
import importlib
import importlib.metadata
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from benchmarks import hlo
from benchmarks.timing import machine
from benchmarks.useful import useful_flops
from colorjax import config as configs
from colorjax.errors import install_hint
from colorjax.evaluation.tables import table
from colorjax.quantize import Q
from colorjax.train.experiment import Experiment


class Chip(NamedTuple):
    """Published rates of one chip: FLOP/s in bfloat16, bytes, bytes/s."""

    flops: float
    memory: float
    bandwidth: float
    links: float  # all of them together, one way


CHIPS = {  # from the vendor's published specifications
    "v4": Chip(275e12, 32e9, 1200e9, 300e9),
    "v5e": Chip(197e12, 16e9, 819e9, 200e9),
    "v5p": Chip(459e12, 95e9, 2765e9, 600e9),
    "v6e": Chip(918e12, 32e9, 1638e9, 400e9),
}


HOP = 1e-6  # seconds
RING = 16  # chips: a shorter axis has no link between its ends


class Work(NamedTuple):
    """What a device does in a step: FLOPs, bytes moved, bytes reduced, collectives."""

    flops: float
    moved: float
    reduced: float
    collectives: int


def predict(chip: Chip, shape: Sequence[int], devices: int, work: Work):
    """Seconds of a step by part, and in all, after the formulas above.

    `shape` are the chips along each axis of the slice.
    """
    compute, memory = work.flops / chip.flops, work.moved / chip.bandwidth
    exchange = 2 * (devices - 1) / devices * work.reduced / chip.links
    hops = sum(n // 2 if n >= RING else n - 1 for n in shape)
    latency = work.collectives * 2 * hops * HOP
    step = max(compute, memory) + exchange + latency
    return dict(
        compute=compute, memory=memory, exchange=exchange, latency=latency, step=step
    )


def compiled_step(config: dict[str, Any], batch: int, mesh: Mesh):
    """The training step of a config for a global batch, the parameters' shapes, and the
    FLOPs that an image needs, None where nobody has counted them."""
    config = config | {"batch": batch}
    experiment = Experiment.from_config(config, mesh)
    step = experiment.make_step(np.full(Q, 1 / Q, np.float32))
    traced = step.trace(experiment.abstract_state, experiment.abstract_batch)
    compiled = traced.lower(lowering_platforms=("tpu",)).compile()
    params = jax.tree.leaves(experiment.abstract_state.nets["G"]["params"])
    side = experiment.dataset.crop
    useful = useful_flops(side) if config["method"]["name"] == "zhang2016" else None
    return compiled, [x.shape for x in params], useful


def topology_row(
    config: dict[str, Any], name: str, batch: int | None, whole: int | None
) -> dict:
    """What there is to know of one topology, as JSON has it; bytes, FLOPs, seconds.

    `batch` is that of a chip, `whole` that of all, which counts where it is given.
    """
    kind, _, axes = name.partition(":")
    try:
        shape = [int(n) for n in axes.split("x")]
        chips = math.prod(shape)
        slice_ = topologies.get_topology_desc(platform="tpu", topology_name=name)
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        sys.exit(f"benchmarks.pod: {name}: no such topology ({error})")
    devices = slice_.devices
    share = chips / len(devices)  # a v4 chip is two devices
    chip = Chip(*(share * rate for rate in CHIPS[kind]))
    batch = whole or batch * chips
    mesh = Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))
    print(f"compiling for {name}, batch {batch}", file=sys.stderr, flush=True)
    row = dict(topology=name, chips=chips, devices=len(devices), batch=batch)
    shard = row["shard"] = config["step"]["shard"]
    row["dtype"] = config["method"].get("dtype", "float32")
    begun = time.monotonic()
    try:
        compiled, parameters, useful = compiled_step(config, batch, mesh)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return row | dict(fits=False)
    program, memory = compiled.as_text(), compiled.memory_analysis()
    cost = compiled.cost_analysis()
    parts = dict(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        code=memory.generated_code_size_in_bytes,
    )
    arrays = hlo.exchanged(program)
    work = Work(
        flops=cost["flops"],
        moved=hlo.memory_traffic(program),
        reduced=sum(array.bytes for array in arrays),
        collectives=hlo.collectives(program),
    )
    seconds = predict(chip, shape, len(devices), work)
    return row | dict(
        fits=sum(parts.values()) <= chip.memory,
        compile_seconds=time.monotonic() - begun,
        memory=parts | dict(all=sum(parts.values()), chip=chip.memory),
        flops=cost["flops"],
        useful_flops=useful and useful * batch / len(devices),
        bytes_accessed=cost["bytes accessed"],
        memory_traffic=work.moved,
        collectives=work.collectives,
        gradients=sum(array.bytes for array in arrays if not array.small),
        gradient_dtypes=sorted({array.dtype for array in arrays if not array.small}),
        small=sum(array.bytes for array in arrays if array.small),
        offenders=[] if shard else hlo.offenders(arrays, parameters),
        predicted_seconds=seconds,
        images_per_second=batch / seconds["step"],
    )


def cells(row: dict, first: dict) -> dict[str, str]:
    """A row as text; efficiency is images/s a chip, beside those of `first`."""
    start = {"chips": str(row["chips"]), "batch": str(row["batch"])}
    if not row["fits"]:
        return start | {"GB": "does not fit"}
    seconds = row["predicted_seconds"]
    rate = row["images_per_second"] / row["chips"]
    useful = row["useful_flops"] and f"{row['useful_flops'] / 1e9:.0f}"
    return start | {
        "GB": f"{row['memory']['all'] / 1e9:.2f} of {row['memory']['chip'] / 1e9:.0f}",
        "GFLOP (useful)": f"{row['flops'] / 1e9:.0f} ({useful or 'not counted'})",
        "GB moved": f"{row['memory_traffic'] / 1e9:.2f}",
        "XLA's count": f"{row['bytes_accessed'] / 1e9:.1f}",
        "MB reduced": f"{row['gradients'] / 1e6:.1f} {'+'.join(row['gradient_dtypes'])}"
        f" + {row['small'] / 1e6:.3f}",
        **{f"{part}, ms": f"{1e3 * t:.2f}" for part, t in seconds.items()},
        "images/s": f"{row['images_per_second']:.0f}",
        "efficiency": f"{rate * first['chips'] / first['images_per_second']:.0%}",
    }


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--config", default="imagenet_pod", help="a file of configs/")
    flags.add_argument("--chip", choices=CHIPS, default="v5e")
    flags.add_argument("--topology", default="2x2", help="one or more: 2x2,4x8")
    flags.add_argument("--batch", type=int, default=4, help="pictures a chip")
    flags.add_argument("--global-batch", type=int, help="pictures in all, instead")
    flags.add_argument("--shard", action="store_true", help="the state in parts")
    flags.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the layers")
    flags.add_argument("--json", type=pathlib.Path, help="write the figures here")
    args = flags.parse_args()
    try:
        libtpu = importlib.metadata.version("libtpu")
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"benchmarks.pod: no TPU compiler: {install_hint('tpu')}")
    jax.config.update("jax_platforms", "cpu")
    # The compiler would complain that it finds no TPU, and let nobody else compile.
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    module = importlib.import_module(f"configs.{args.config}")
    config = configs.to_dict(module.get_config())
    config["step"]["shard"] = args.shard
    if args.dtype:
        config["method"]["dtype"] = args.dtype
    rows = [
        topology_row(config, f"{args.chip}:{shape}", args.batch, args.global_batch)
        for shape in args.topology.split(",")
    ]
    figures = dict(
        machine=machine() | dict(libtpu=libtpu),
        rates=CHIPS[args.chip]._asdict(),
        rows=rows,
    )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(figures["machine"], figures["rates"], sep="\n")
    print(__doc__[__doc__.index("The times") :])
    first = next((row for row in rows if row["fits"]), None)
    texts = {row["topology"]: cells(row, first) for row in rows}
    columns = dict.fromkeys(max(texts.values(), key=len), "")
    print(table({name: columns | text for name, text in texts.items()}))
    wrong = [f"{r['topology']}: {x}" for r in rows for x in r.get("offenders", ())]
    if wrong:
        print("exchanged otherwise than it should be:", *wrong, sep="\n")
    elif first and not args.shard:
        print("exchanged: every gradient once, and BatchNorm's moments; nothing else")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
