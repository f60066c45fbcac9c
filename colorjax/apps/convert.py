"""Turn the weights that the paper's authors published into a run.

The run has the nets as its checkpoint of step 0, a config that decodes as the authors
do, and source.json: file, licence, the authors' conventions, and hashes of the file and
of the nets. It has no prior, because neither file has one.
"""

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

from colorjax import files
from colorjax.errors import UserError

HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # in the name, as PyTorch's hub has it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="colorization_release_v2, PyTorch's .pth or Caffe's .caffemodel",
    )
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="a new directory, for the run"
    )


def run(args: argparse.Namespace) -> int:
    """Write the run, whole or not at all, and print what is known of it."""
    out = Path(args.out).absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{args.out}: exists, and holds something; give another --out")
    from colorjax.comparison import hash_nets  # heavy; mistakes above need no waiting
    from colorjax.pretrained.weights import read
    from colorjax.pretrained.zhang2016 import LICENCE, load_zhang2016

    weights = read(args.file)
    promised = HASH.search(args.file)
    if promised and not weights.sha256.startswith(promised[1]):
        raise UserError(
            f"{args.file}: its SHA-256 begins {weights.sha256[:8]}, not as its name "
            "says; fetch it again"
        )
    published = load_zhang2016(weights)
    nets = {"G": published.variables}
    digest, parameters = hash_nets(nets)
    source = {
        "layout": published.layout,
        "file": Path(args.file).name,
        "file sha256": weights.sha256,
        "nets sha256": digest,
        "licence": LICENCE,
        **published.conventions,
    }
    try:
        _write(out, nets, _config(published.method, published.side), source)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{args.out}: cannot be written ({reason})") from error
    print(f"{args.out}: {parameters / 1e6:.2f} M parameters")
    for name, line in source.items():
        print(f"  {name:<12} {line}")
    print(f"use it: colorjax colorize PICTURE --run {args.out} --out colored.png")
    return 0


def _write(out: Path, nets: dict, config: dict, source: dict) -> None:
    """Write a run beside `out`, then rename it. Raises `OSError` if that cannot be."""
    from colorjax.checkpoint import save_nets
    from colorjax.run import SOURCE

    part = out.parent / f".{out.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a start that was killed
        part.mkdir(parents=True)
        save_nets(part, nets)
        files.write_json(part / SOURCE, source)
        files.write_json(part / "config.json", config)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _config(method: dict[str, Any], side: int) -> dict[str, Any]:
    """What the authors trained on, as far as a config says it; no step is to come."""
    data = {"name": "imagenet2012", "test_split": "validation[:10000]", "resize": side}
    return {
        "seed": 0,
        "steps": 0,
        "batch": 40,
        "init_from": "",
        "data": data,
        "method": method,
        "optimizer": {"learning_rate": 3e-5},
        "checkpoint": {},
        "evaluation": {"batch": 40},
    }
