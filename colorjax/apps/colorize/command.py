"""Colorize picture files and folders with a trained run."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from colorjax import images
from colorjax.apps import options
from colorjax.apps.colorize import hinting, predicting
from colorjax.apps.colorize.jobs import DISTRIBUTION, UNCERTAINTY, Job, Wanted
from colorjax.apps.colorize.plan import left_out, plan
from colorjax.apps.guide import text_options
from colorjax.errors import UserError, counted
from colorjax.progress import Progress, report

if TYPE_CHECKING:
    from colorjax.apps.colorize.stages import Failed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        type=options.path,
        metavar="IN",
        help="a picture, a folder, or - for standard input",
    )
    add(
        "--run",
        dest="workdir",
        type=options.path,
        metavar="DIR",
        help="workdir of a run (default: the one that comes with colorjax)",
    )
    add(
        "--out",
        type=options.path,
        help="a folder, or, for one picture, a file or - (standard output); default: "
        "NAME-colorized.EXT beside the picture, FOLDER-colorized beside a folder",
    )
    add(
        "--step",
        type=options.checkpoint,
        help="step of the checkpoint, or best (default: the last)",
    )
    options.add_size(add)
    add("--overwrite", action="store_true", help="replace existing results")
    add(
        "--format",
        type=options.picture_format,
        metavar="KIND",
        help="png, jpg, ... (default: that of the input; for -, png)",
    )
    add(
        "--batch",
        type=options.count,
        default=8,
        help="pictures that go through the network together (8)",
    )
    add(
        "--device",
        choices=predicting.PLATFORMS,
        help="where to compute (default: the fastest)",
    )
    add(
        "--max-pixels",
        type=options.count,
        default=images.MAX_PIXELS,
        metavar="N",
        help="refuse pictures with more than N pixels (200M)",
    )
    group = parser.add_argument_group
    colors = "colors; most need a method that predicts a distribution"
    _add_file_arguments(group("files").add_argument)
    _add_color_arguments(group(colors).add_argument)
    hinting.add_arguments(group("hints").add_argument)
    text_options.add_arguments(group("text; extra `text`").add_argument)


def _add_color_arguments(add: Callable[..., object]) -> None:
    """Declare the arguments on what is predicted and how it is decoded, with `add`."""
    options.add_decoding(add)
    options.add_setting(add)
    add(
        "--guidance",
        type=options.number(0.0, 100.0),
        metavar="W",
        help="of a run whose network reads text: how much the text counts; 1 as "
        "trained, more is bolder (default: the run's)",
    )
    add(
        "--samples",
        type=options.whole(1, 1000),
        metavar="N",
        help="write N different colorings: NAME-1, ...; works with any method that "
        "predicts a distribution or draws noise",
    )
    add("--seed", type=options.seed, help="seed of the first sample (0)")
    add("--uncertainty", action="store_true", help=f"also write NAME{UNCERTAINTY}")
    add(
        "--save-distribution",
        action="store_true",
        help=f"also write NAME{DISTRIBUTION}",
    )
    add(
        "--from-distribution",
        type=options.path,
        metavar="PATH",
        help="decode these saved files (a folder, or one file) instead of predicting",
    )


def _add_file_arguments(add: Callable[..., object]) -> None:
    """Declare the arguments on how files are read and written, with `add`."""
    add(
        "--quality",
        type=options.whole(1, 100),
        metavar="Q",
        help="of JPEG, WebP and AVIF, 1 to 100 (default: a JPEG source's own, or 95)",
    )
    add("--no-metadata", action="store_true", help="leave out EXIF, IPTC, XMP, DPI")
    add(
        "--no-mark", action="store_true", help="do not note the predicted colors in XMP"
    )
    text = "TIFF sample values of black and of white (default: from the tags)"
    add("--levels", type=options.levels, metavar="MIN,MAX", help=text)


def run(args: argparse.Namespace) -> int:
    """Colorize every input. Returns the least exit code of those that failed, or 0.

    A line on each says why; the code is 2 where it is not sure where a thing is.
    """
    _check(args)
    hints = hinting.asked(args)
    wanted = Wanted(args.samples, args.save_distribution, args.uncertainty, hints)
    wanted = wanted._replace(text=text_options.asked(args))
    jobs, failures, notes = plan(args.inputs, args.out, args.format, wanted)
    for folder in (Path(name) for name in args.inputs if Path(name).is_dir()):
        if others := left_out(folder):
            notes.append(f"{folder}: left out: {others}")
    saved = args.from_distribution
    if saved and Path(saved).is_file() and len(jobs) > 1:
        raise UserError("--from-distribution names one file; give a folder")
    if hints is not None:
        if hints.is_of_one_picture and len(jobs) > 1:
            raise UserError(f"hints are those of one picture, not of {len(jobs)}")
        notes += hints.without_picture([job.source for job in jobs])
    if args.text_marks and len(jobs) > 1:
        raise UserError(f"--box and --at are for one picture, not for {len(jobs)}")
    undone = [job for job in jobs if args.overwrite or not job.is_done(wanted)]
    for note in notes:
        report(note)
    failed: list[Failed] = []
    if undone:
        progress = Progress("colorized", len(jobs), len(jobs) - len(undone))
        failed = _colorize(undone, args, wanted, progress)
    for message in failures + [failure.message for failure in failed]:
        print(f"colorjax: {message}", file=sys.stderr)
    if jobs[0].target is not None:
        place = args.out or "files named NAME-colorized"
        total, written = len(jobs) + len(failures), len(undone) - len(failed)
        print(_summary(total, written, len(jobs) - len(undone), place))
    return 1 if failures else min((failure.code for failure in failed), default=0)


def _colorize(
    jobs: list[Job], args: argparse.Namespace, wanted: Wanted, progress: Progress
) -> "list[Failed]":
    """Do the jobs. Returns those that failed."""
    predicting.choose_device(args.device)
    from colorjax.apps.colorize import pipeline  # slow, so after the checks
    from colorjax.inference.decode import Options
    from colorjax.runtime import enable_compilation_cache

    enable_compilation_cache()
    batch = min(args.batch, len(jobs))
    decoding = Options(temperature=args.temperature, saturation=args.saturation)
    reading = pipeline.Reading(args.max_pixels, args.levels)
    settings = images.Settings(args.quality, not args.no_metadata, not args.no_mark)
    predict, network = predicting.stage(args, batch)
    if args.clip and not args.text:
        predict = partial(predicting.noting_clip, predict)
    if wanted.text is not None:
        wanted = wanted._replace(text=wanted.text._replace(network=network))
    how = (wanted, batch, args.seed, decoding, reading, settings)
    failures, results = [], pipeline.colorize(jobs, predict, *how)
    for done, result in enumerate(results, start=progress.start + 1):
        if isinstance(result, pipeline.Failed):
            failures.append(result)
        elif result.notes:
            notes = "; ".join(result.notes)
            print(f"colorjax: {result.job.name}: {notes}", file=sys.stderr)
        progress.update(done, result.job.name)
    return failures


def _check(args: argparse.Namespace) -> None:
    """Set the default seed; raise `UserError` for options that do not go together."""
    for option, value in (("--run", args.workdir), ("--size", args.size)):
        if value and args.from_distribution:
            raise UserError(f"give either {option} or --from-distribution, not both")
    if args.from_distribution and args.save_distribution:
        raise UserError("give either --save-distribution or --from-distribution")
    if args.from_distribution and args.out is None:
        raise UserError("--from-distribution needs --out")
    if args.from_distribution and (args.settings or args.guidance is not None):
        raise UserError(
            "--set and --guidance change a run; --from-distribution does not use one"
        )
    if args.clip and not (args.text or args.exemplar or args.hints):
        raise UserError("--clip needs --text, --exemplar or --hints with an exemplar")
    if args.seed is None and args.samples is not None:
        args.seed = 0


def _summary(total: int, written: int, existed: int, place: str) -> str:
    line = f"{written} of {counted(total, 'picture')} written to {place}"
    if existed:
        line += f"; {existed} existed already (--overwrite replaces them)"
    return line
