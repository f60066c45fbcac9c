"""Make a small copy of a run, to share it: half precision, only what predicting needs.

The copy has the config, the prior and the metrics of the run, and from one checkpoint
the networks that predict. It has no optimizer state and no discriminators, so training
cannot resume from it, but `init_from` can start from it. All commands accept it.

The copy of a converted run has a README.md with the license of its weights, unless the
run has one. The command warns where a license may forbid to share the weights.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from colorjax import files
from colorjax.apps import options
from colorjax.apps.info import CARD

FILES = ("config.json", "prior.npy", "metrics.json", "source.json", CARD)
RESTRICTED = re.compile(  # in the license of weights that not all may share
    r"non-?commercial|research only|by-nc|by-nd|not be (shared|redistributed)|"
    r"no redistribution|all rights reserved",
    re.IGNORECASE,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "workdir", metavar="RUN", type=options.path, help="the workdir of a run"
    )
    parser.add_argument(
        "--out",
        type=options.path,
        required=True,
        metavar="DIR",
        help="a new directory for the copy",
    )
    parser.add_argument(
        "--step",
        type=options.checkpoint,
        help="step of the checkpoint, or best (default: the last)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the copy; the directory appears only when it is complete."""
    files.check_new(args.out)
    import jax  # slow, so after the check

    from colorjax.train import checksums
    from colorjax.train.checkpoint import save_nets
    from colorjax.train.workdir import load_run, locate_run

    loaded = load_run(args.workdir, args.step)
    with files.new_directory(args.out) as part:
        save_nets(part, jax.tree.map(to_half, loaded.nets), loaded.step)
        for note in part.rglob("commit_success.txt"):  # it names our directories
            note.unlink()
        checksums.write_checksums(part / "checkpoints" / str(loaded.step))
        for name in FILES:
            if (file := locate_run(args.workdir) / name).exists():
                files.write_bytes(part / name, file.read_bytes())
        card = _card(part / CARD, loaded.source)
    size = sum(x.stat().st_size for x in Path(args.out).rglob("*") if x.is_file())
    print(f"{args.out}: step {loaded.step}, {size / 1e6:.1f} MB")
    if restriction := RESTRICTED.search(card):
        print(
            f"colorjax: the license in {Path(args.out) / CARD} says "
            f"'{restriction[0]}'; it may forbid to share this copy",
            file=sys.stderr,
        )
    return 0


def _card(path: Path, source: dict[str, Any] | None) -> str:
    """The text of the card of a copy; that of a converted run is written if missing."""
    if source is not None and not path.exists():
        lines = [f"- {name}: {line}" for name, line in source.items()]
        card = "\n".join(["# Converted weights", "", *lines, ""])
        files.write_bytes(path, card.encode())
    return path.read_text() if path.exists() else ""


def to_half(array: np.ndarray) -> np.ndarray:
    """A float32 array as float16; other arrays, and those that overflow, unchanged."""
    if array.dtype != np.float32 or np.abs(array).max(initial=0) > np.finfo("f2").max:
        return array
    return array.astype(np.float16)
