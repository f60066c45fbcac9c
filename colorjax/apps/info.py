"""Describe a run: method, data, training, weights, metrics, licence."""

import argparse
import math
import shlex
from typing import TYPE_CHECKING, Any

from etils import epath

from colorjax.apps import options
from colorjax.errors import UserError, counted

if TYPE_CHECKING:
    from colorjax.train.workdir import Run

CARD = "README.md"  # the model card of a published run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "workdir",
        metavar="RUN",
        nargs="?",
        type=options.path,
        help="the workdir of a run (default: the one that comes with colorjax)",
    )
    parser.add_argument(
        "--step",
        type=options.checkpoint,
        help="step of the checkpoint, or best (default: the last)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the description; for a converted run, also that of its source."""
    from colorjax.train.checksums import hash_nets  # slow; --help is fast without
    from colorjax.train.workdir import STARTER, load_run, locate_run

    workdir = locate_run(args.workdir or STARTER)
    loaded = load_run(workdir, args.step)
    digest, parameters = hash_nets(loaded.nets)
    config, source = loaded.config, loaded.source
    method = dict(config["method"])
    lines = {
        "method": f"{method.pop('name')}; {_settings(method)}",
        "colors": _inference(loaded),
        "pictures": _settings(config["data"]),
        "training": _training(config),
        "checkpoint": f"step {loaded.step}",
        "parameters": f"{parameters / 1e6:.2f} M",
        "nets sha256": digest,
        "figures": _figures(workdir),
        "licence": "not stated; consider that of the pictures",
    }
    if (workdir / CARD).exists():
        lines["licence"] = f"see {workdir / CARD}"
    if source is not None:
        lines |= {"training": "none; the weights are converted"} | source
        if lines["nets sha256"] != digest:
            lines["nets sha256"] = f"{digest}, changed since the conversion"
    print(workdir)
    for name, line in lines.items():
        print(f"  {name:<12} {line}")
    return 0


def _settings(section: dict[str, Any]) -> str:
    settings = [f"{key} {x}" for key, x in section.items() if x is not None]
    return ", ".join(settings) or "defaults"


def _inference(loaded: "Run") -> str:
    """How the run colorizes by default."""
    inference = loaded.inference
    sizes = ", ".join(map(str, inference.sizes))
    return f"short side {sizes} pixels, saturation {inference.saturation:g}"


def _training(config: dict[str, Any]) -> str:
    start = f" from {config['init_from']}" if config["init_from"] else ""
    optimizer = _settings(config["optimizer"])
    steps = (
        f"{counted(config['steps'], 'step')} of {counted(config['batch'], 'picture')}"
    )
    return f"{steps}{start}; {optimizer}"


def _figures(workdir: epath.Path) -> str:
    """The main metrics at the end of training, next to those of grey."""
    from colorjax.evaluation.metrics import columns
    from colorjax.evaluation.results import THIS_RUN, read_results

    path = workdir / "metrics.json"
    results = read_results(path)
    if results is None:
        return f"none yet; python evaluate.py --workdir={shlex.quote(str(workdir))}"

    def text(model: str, key: str) -> str:
        value = results.models[model].metrics[key].value
        return f"{value:.3f}" if math.isfinite(value) else "-"

    titles = {key: column.title for key, column in columns().items()}
    try:
        metrics = [
            f"{titles[key]} {text(THIS_RUN, key)} (grey {text('grey', key)})"
            for key in ("auc", "auc_balanced", "psnr")
        ]
    except KeyError as error:
        raise UserError(f"{path}: has no metrics of training ({error!r})") from error
    return f"{', '.join(metrics)} on {counted(results.protocol.pictures, 'picture')}"
