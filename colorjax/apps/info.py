"""Say what a run is: method, pictures, training, weights, figures, licence."""

import argparse
from typing import Any

from etils import epath

from colorjax import files
from colorjax.errors import UserError

CARD = "README.md"  # of a run that is given away: what a person should know of it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "workdir",
        metavar="RUN",
        nargs="?",
        help="the directory of a run (the one that comes with colorjax)",
    )
    parser.add_argument("--step", type=int, help="a checkpoint other than the last")


def run(args: argparse.Namespace) -> int:
    """Print a line on each, and all that is known of weights that others trained."""
    from colorjax.evaluation.results import (
        hash_nets,  # heavy, and --help needs no waiting
    )
    from colorjax.train.workdir import STARTER, load_run, locate_run

    workdir = locate_run(args.workdir or STARTER)
    loaded = load_run(workdir, args.step)
    digest, parameters = hash_nets(loaded.nets)
    config, source = loaded.config, loaded.source
    method = dict(config["method"])
    lines = {
        "method": f"{method.pop('name')}; {_settings(method)}",
        "pictures": _settings(config["data"]),
        "training": _training(config),
        "checkpoint": f"step {loaded.step}",
        "parameters": f"{parameters / 1e6:.2f} M",
        "nets sha256": digest,
        "figures": _figures(workdir),
        "licence": "not stated; think of the pictures' own",
    }
    if (workdir / CARD).exists():
        lines["licence"] = f"see {workdir / CARD}"
    if source is not None:
        lines |= {"training": "none here; the weights are others'"} | source
        if lines["nets sha256"] != digest:
            lines["nets sha256"] = f"{digest}, not as converted"
    print(workdir)
    for name, line in lines.items():
        print(f"  {name:<12} {line}")
    return 0


def _settings(section: dict[str, Any]) -> str:
    given = {key: x for key, x in section.items() if x is not None}
    return ", ".join(f"{key} {value}" for key, value in given.items()) or "defaults"


def _training(config: dict[str, Any]) -> str:
    start = f" from {config['init_from']}" if config["init_from"] else ""
    optimizer = _settings(config["optimizer"])
    return f"{config['steps']} steps of {config['batch']} pictures{start}; {optimizer}"


def _figures(workdir: epath.Path) -> str:
    """The main figures at the end of training, beside those of grey."""
    path = workdir / "metrics.json"
    metrics = files.read_json(path)
    if metrics is None:
        return f"none yet; python evaluate.py --workdir={workdir}"
    from colorjax.evaluation.results import COLUMNS

    def shown(row, key):
        value = metrics["rows"][row][key]["value"]
        return "-" if value is None else f"{value:.3f}"

    try:
        figures = [
            f"{COLUMNS[key].title} {shown('this run', key)} (grey {shown('grey', key)})"
            for key in ("auc", "auc_balanced", "psnr")
        ]
        return f"{', '.join(figures)} on {metrics['protocol']['pictures']} pictures"
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: has no figures of training ({error!r})") from error
