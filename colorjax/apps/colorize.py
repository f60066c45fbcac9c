"""Colorize picture files and folders with a trained run."""

import argparse
import sys
from pathlib import Path

from colorjax import images
from colorjax.errors import UserError
from colorjax.report import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help="a picture or a folder")
    parser.add_argument(
        "--run",
        required=True,
        dest="workdir",
        metavar="DIR",
        help="the workdir of a trained run",
    )
    parser.add_argument(
        "--out",
        required=True,
        help="a folder, or the file to write where the input is one file",
    )
    parser.add_argument("--step", type=int, help="a checkpoint other than the last")


def run(args: argparse.Namespace) -> int:
    """Colorize every input; 1 where some could not be, each named on a line."""
    jobs = plan([Path(name) for name in args.inputs], Path(args.out))
    for _, target in jobs:
        images.writable(target)
    from colorjax.colorize import Colorizer  # heavy; mistakes above need no waiting

    colorizer = Colorizer.load(args.workdir, args.step)
    progress = Progress("colorized", len(jobs))
    failed = []
    for done, (source, target) in enumerate(jobs, start=1):
        try:
            images.write(target, colorizer(source))
        except UserError as error:
            failed.append(str(error))
        progress.update(done, source.name)
    for line in failed:
        print(f"colorjax: {line}", file=sys.stderr)
    print(f"{len(jobs) - len(failed)} of {len(jobs)} pictures written to {args.out}")
    return 1 if failed else 0


def plan(inputs: list[Path], out: Path) -> list[tuple[Path, Path]]:
    """Pairs of a picture and the file to write; the tree of a folder is kept.

    Raises `UserError` where an input is missing, or where a file would be lost: an
    input, or one of two results of the same name.
    """
    jobs = []
    for source in inputs:
        if source.is_dir():
            found = sorted(filter(_is_picture, source.rglob("*")))
            if not found:
                raise UserError(f"{source}: no pictures in this folder")
            jobs += [(p, out / p.relative_to(source)) for p in found]
        elif source.is_file():
            single = len(inputs) == 1 and out.suffix and not out.is_dir()
            jobs.append((source, out if single else out / source.name))
        else:
            raise UserError(f"{source}: no such file or folder")
    originals = {source.resolve() for source, _ in jobs}
    targets = {}
    for source, target in jobs:
        place = target.resolve()
        if place in originals:
            raise UserError(f"{target} is an input too; give another --out")
        if place in targets:
            raise UserError(
                f"{targets[place]} and {source} would both be written to {target}; "
                "colorize them one by one"
            )
        targets[place] = source
    return jobs


def _is_picture(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in images.SUFFIXES and path.is_file() and path.name[0] != "."
