"""Colorize a film with a trained run, its colours steady along motion."""

import argparse
import importlib.metadata
import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from colorjax.apps.options import need_extra
from colorjax.errors import UserError
from colorjax.progress import Progress

SEGMENT = 128  # pictures; a killed command loses at most so many


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("film", metavar="IN", help="a film that ffmpeg reads")
    add(
        "--run",
        dest="workdir",
        metavar="DIR",
        help="the workdir of a run (the one that comes with colorjax)",
    )
    add("--out", required=True, help="a film: .mp4, .mov, .mkv or .webm")
    add("--step", type=int, help="a checkpoint other than the last")
    add("--overwrite", action="store_true", help="make a result anew that is there")
    add("--batch", type=int, default=8, help="pictures at a time in the net (8)")
    add("--crf", type=int, default=18, help="0: lossless, 51: smallest (18)")
    add("--temperature", type=float, help="lower: bolder and patchier (the run's own)")
    add("--saturation", type=float, default=1.0, help="chroma times this")
    add("--palette", help="only these: '#aa5533,#224488'")


def run(args: argparse.Namespace) -> int:
    """Colorize a film; 1 where parts of it could not be read."""
    _check(args)
    need_extra("video", "av", "cv2")
    from colorjax.apps.video.reader import open_film  # heavy; mistakes need no waiting
    from colorjax.apps.video.writer import check_target

    source, target = Path(args.film), Path(args.out)
    if not source.is_file():
        raise UserError(f"{source}: no such file")
    if target.exists() and target.samefile(source):
        raise UserError(f"{target} is the input too; give another --out")
    film = open_film(source)
    check_target(film, target)
    if target.exists() and not args.overwrite:
        print(f"{target} is there (--overwrite makes it anew)")
        return 0
    from colorjax.runtime import enable_compilation_cache

    enable_compilation_cache()
    _colorize(film, target, args)
    if film.problems:
        problems = "; ".join(film.problems)
        print(f"colorjax: {source}: {problems}; the rest is there", file=sys.stderr)
        return 1
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise `UserError` for options out of range."""
    if args.batch < 1:
        raise UserError(f"--batch is {args.batch}, less than 1")
    if not 0 <= args.crf <= 51:
        raise UserError(f"--crf is {args.crf}, which must be 0 to 51")
    if not 0 <= args.saturation < math.inf:
        raise UserError(f"--saturation is {args.saturation}, which must be 0 or more")
    if args.temperature is not None and not 0 < args.temperature < math.inf:
        raise UserError(f"--temperature is {args.temperature}, which must be positive")
    if args.palette is not None:
        from colorjax.inference.distribution import parse_palette

        parse_palette(args.palette)


def _colorize(film, target: Path, args: argparse.Namespace) -> None:
    """Make the film segment by segment, then join it, and say how steady it is."""
    import numpy as np

    from colorjax.apps.video.colorizer import Options, VideoColorizer
    from colorjax.apps.video.segments import Parts
    from colorjax.apps.video.temporal import from_arrays, to_arrays
    from colorjax.apps.video.writer import encode, join
    from colorjax.inference.colorizer import Colorizer
    from colorjax.train.checksums import hash_nets
    from colorjax.train.workdir import STARTER

    colorizer = Colorizer.load(args.workdir or STARTER, args.step)
    options = Options(args.batch, args.temperature, args.saturation, args.palette)
    colours = VideoColorizer(colorizer, film, options)
    parts = Parts(target, _job(args, hash_nets(colorizer.nets)[0]))
    number, kept = parts.finished()
    done = int(kept.pop("done", 0))
    state = from_arrays(kept) if number else None
    progress = Progress("colorized", film.count, done)
    pictures = itertools.islice(film.pictures(), done, None)

    def counted(segment) -> Iterator:
        nonlocal state, done
        for coloured, followed in colours(segment, state):
            state, done = followed, done + 1
            yield coloured
            progress.update(min(done, film.count - 1))

    while (first := next(pictures, None)) is not None:
        segment = itertools.chain([first], itertools.islice(pictures, SEGMENT - 1))
        encode(
            parts.segment(number),
            film,
            counted(segment),
            target.suffix.lower(),
            args.crf,
        )
        parts.keep(number, {"done": np.asarray(done), **to_arrays(state)})
        number += 1
    if state is None:
        raise UserError(f"{film.path}: no picture of it could be read")
    progress.total = done
    progress.update(done)
    join(target, film, [parts.segment(i) for i in range(number)])
    parts.remove()
    print(_summary(target, done, state.flicker))


def _job(args: argparse.Namespace, digest: str) -> dict:
    """What a film's parts are made of; parts of another job are no use."""
    source = Path(args.film)
    facts = source.stat()
    options = ("batch", "crf", "temperature", "saturation", "palette")
    packages = ("colorjax", "av", "jax")
    return {
        "source": [str(source.resolve()), facts.st_size, facts.st_mtime_ns],
        "nets": digest,
        "segment": SEGMENT,
        **{name: getattr(args, name) for name in options},
        **{name: importlib.metadata.version(name) for name in packages},
    }


def _summary(target: Path, pictures: int, flicker) -> str:
    steady, alone = flicker.means()
    return (
        f"{target}: {pictures} pictures in {flicker.shots} shots\n"
        f"flicker, the mean change of ab along motion: {steady:.3f} units a picture; "
        f"each picture by itself would have {alone:.3f}"
    )
