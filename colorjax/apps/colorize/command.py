"""Colorize picture files and folders with a trained run."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from colorjax import images
from colorjax.apps.colorize.plan import (
    DISTRIBUTION,
    STANDARD,
    UNCERTAINTY,
    Job,
    Wanted,
    plan,
)
from colorjax.errors import UserError
from colorjax.progress import Progress

Predict = Callable[[list], None]  # sets the distributions of works of the pipeline

PLATFORMS = {"cpu": "cpu", "gpu": "cuda,cpu", "tpu": "tpu,cpu"}  # as JAX has them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("inputs", nargs="+", metavar="IN", help="a picture, a folder, or -")
    add(
        "--run",
        dest="workdir",
        metavar="DIR",
        help="the workdir of a run (the one that comes with colorjax)",
    )
    add("--out", required=True, help="a folder, a file for one picture, or -")
    add("--step", type=int, help="a checkpoint other than the last")
    add("--overwrite", action="store_true", help="make results anew that are there")
    add("--format", metavar="KIND", help="png, jpg, ... (default: as the input; - png)")
    add("--batch", type=int, default=8, help="pictures at a time in the net (8)")
    add("--device", choices=PLATFORMS, help="where to compute (the best there is)")
    add(
        "--max-pixels",
        type=lambda text: int(float(text)),
        default=images.MAX_PIXELS,
        metavar="N",
        help="refuse pictures of more (200e6)",
    )
    colors = parser.add_argument_group("colours, of a method with a distribution")
    add = colors.add_argument
    add("--temperature", type=float, help="lower: bolder and patchier (the run's own)")
    add("--saturation", type=float, default=1.0, help="chroma times this, any method")
    add("--palette", help="only these: '#aa5533,#224488'")
    add("--samples", type=int, metavar="N", help="N different colourings, NAME-1, ...")
    add("--seed", type=int, help="of the first of them (0)")
    add("--uncertainty", action="store_true", help=f"write NAME{UNCERTAINTY} too")
    add("--save-distribution", action="store_true", help=f"write NAME{DISTRIBUTION}")
    add(
        "--from-distribution",
        metavar="PATH",
        help="decode such files, in the folder PATH, again instead of running the net",
    )


def run(args: argparse.Namespace) -> int:
    """Colorize every input; 1 where some could not be, each named on a line."""
    _check(args)
    wanted = Wanted(args.samples, args.save_distribution, args.uncertainty)
    jobs = plan(args.inputs, args.out, args.format, wanted)
    if args.from_distribution and Path(args.from_distribution).is_file():
        if len(jobs) > 1:
            raise UserError("--from-distribution is one file; give their folder")
    undone = [job for job in jobs if args.overwrite or not _is_done(job, wanted)]
    done, failed = len(jobs) - len(undone), []
    if undone:
        failed = _colorize(undone, args, wanted, Progress("colorized", len(jobs), done))
    for error in failed:
        print(f"colorjax: {error}", file=sys.stderr)
    if args.out != STANDARD:
        print(_summary(len(jobs), len(undone), len(failed), args.out))
    return 1 if failed else 0


def _colorize(
    jobs: list[Job], args: argparse.Namespace, wanted: Wanted, progress: Progress
) -> list[UserError]:
    """Do the jobs; what went wrong."""
    _choose_device(args.device)
    from colorjax.apps.colorize import pipeline  # heavy; mistakes above need no waiting
    from colorjax.runtime import enable_compilation_cache

    enable_compilation_cache()
    batch = min(args.batch, len(jobs))
    predict = _saved(args) if args.from_distribution else _net(args, batch)
    options = dict(
        temperature=args.temperature, saturation=args.saturation, palette=args.palette
    )
    works = pipeline.colorize(
        jobs, predict, wanted, batch, args.max_pixels, args.seed, options
    )
    failed = []
    for done, work in enumerate(works, start=progress.start + 1):
        if work.error is not None:
            failed.append(work.error)
        progress.update(done, work.job.name)
    return failed


def _check(args: argparse.Namespace) -> None:
    """Raise `UserError` for options out of range or that exclude each other."""
    if args.workdir and args.from_distribution:
        raise UserError("give either --run or --from-distribution, not both")
    if args.from_distribution and args.save_distribution:
        raise UserError("give either --save-distribution or --from-distribution")
    for name in ("batch", "max_pixels", "samples"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is {value}, less than 1")
    if args.seed is not None and args.seed < 0:
        raise UserError(f"--seed is {args.seed}, less than 0")
    if not 0 <= args.saturation < math.inf:
        raise UserError(f"--saturation is {args.saturation}, which must be 0 or more")
    if args.temperature is not None and not 0 < args.temperature < math.inf:
        raise UserError(f"--temperature is {args.temperature}, which must be positive")
    if args.format is not None:
        images.output_format(f"NAME.{args.format}")
    if args.palette is not None:
        from colorjax.inference.distribution import parse_palette

        parse_palette(args.palette)
    if args.seed is None and args.samples is not None:
        args.seed = 0


def _is_done(job: Job, wanted: Wanted) -> bool:
    return job.target is not None and all(p.exists() for p in job.outputs(wanted))


def _summary(jobs: int, undone: int, failed: int, out: str) -> str:
    line = f"{undone - failed} of {jobs} pictures written to {out}"
    if undone < jobs:
        line += f"; {jobs - undone} were there (--overwrite makes them anew)"
    return line


def _net(args: argparse.Namespace, batch: int) -> Predict:
    """A function that has the net of the run predict pictures."""
    from colorjax.inference.colorizer import Colorizer
    from colorjax.inference.distribution import no_logits_error
    from colorjax.train.workdir import STARTER

    workdir = args.workdir or STARTER
    colorizer = Colorizer.load(workdir, args.step)
    asked = (args.temperature, args.palette, args.samples, args.seed)
    of_logits = args.uncertainty or args.save_distribution
    if (of_logits or asked != (None,) * 4) and not colorizer.has_logits:
        raise no_logits_error(workdir)

    def predict(works: list) -> None:
        pictures = [work.picture for work in works]
        for work, found in zip(works, colorizer.predict(pictures, batch), strict=True):
            work.distribution = found

    return predict


def _saved(args: argparse.Namespace) -> Predict:
    """A function that reads what --save-distribution wrote of pictures."""
    from colorjax.inference import archive

    place, out = Path(args.from_distribution), Path(args.out)

    def predict(works: list) -> None:
        for work in works:
            path = place
            if place.is_dir():
                base = work.job.beside(DISTRIBUTION)
                inside = out != work.job.base and base.is_relative_to(out)
                path = place / (base.relative_to(out) if inside else base.name)
            with work.failing():
                work.distribution = archive.load(path)

    return predict


def _choose_device(name: str | None) -> None:
    """Have JAX compute on a platform; before anything else has touched a device."""
    if name is None:
        return
    import jax

    jax.config.update("jax_platforms", PLATFORMS[name])
    try:
        found = jax.default_backend()
    except RuntimeError:
        found = "none"
    if found != name:
        raise UserError(f"--device {name}: there is none that JAX can use here")
