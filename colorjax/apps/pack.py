"""Make a run small, to give it away: half precision, nothing to go on training with.

It has the config, the prior and the figures of the run, and the nets of one checkpoint
without the optimizer, a sixth of its size. Every command takes it; a training starts
from it through `init_from`.
"""

import argparse
from pathlib import Path

from colorjax import files
from colorjax.train import checksums

KEPT = ("config.json", "prior.npy", "metrics.json", "source.json", "README.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("workdir", metavar="RUN", help="the directory of a run")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a new directory, for the small run"
    )
    parser.add_argument("--step", type=int, help="a checkpoint other than the last")


def run(args: argparse.Namespace) -> int:
    """Write the small run, whole or not at all."""
    files.check_new(args.out)
    import jax  # heavy; the mistake above needs no waiting
    import numpy as np

    from colorjax.train.checkpoint import save_nets
    from colorjax.train.workdir import load_run, locate_run

    loaded = load_run(args.workdir, args.step)
    nets = jax.tree.map(lambda x: np.asarray(x, np.float16), loaded.nets)
    with files.new_directory(args.out) as part:
        save_nets(part, nets, loaded.step)
        for note in part.rglob("commit_success.txt"):  # says where it was written
            note.unlink()
        checksums.write_checksums(part / "checkpoints" / str(loaded.step))
        for name in KEPT:
            if (kept := locate_run(args.workdir) / name).exists():
                files.write_bytes(part / name, kept.read_bytes())
    size = sum(x.stat().st_size for x in Path(args.out).rglob("*") if x.is_file())
    print(f"{args.out}: step {loaded.step}, {size / 1e6:.1f} MB")
    return 0
