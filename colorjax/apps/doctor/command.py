"""Examine pictures before training on them: what is wrong, what to expect.

Counts and lists pictures that are grey, toned like sepia, nearly constant, tiny,
repeated or unreadable; shows the prior and the colourfulness; --fix lists the others
for data.list of a config. Exit code: 0 where nothing is wrong, 1 where something is, 2
after a mistake.
"""

import argparse
import csv
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from colorjax import files
from colorjax.apps.colorize.plan import check_folder
from colorjax.data.sources import Concat, Source, write_list
from colorjax.errors import UserError, printable
from colorjax.progress import Progress

THREADS = os.cpu_count()  # that read and decode
BATCH = 64  # pictures that are measured together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("data", metavar="DATA", help="a folder, package://NAME/PATH or a TFDS name")
    add(
        "--split",
        action="append",
        metavar="SPLIT",
        help="repeatable, the first for training (train, then test)",
    )
    add("--data_dir", metavar="DIR", help="where TFDS data are, as in a config")
    kinds = ("hash", "sorted")
    add("--holdout", default="hash", choices=kinds, help="as in a config (hash)")
    add("--resize", type=int, default=128, help="data.resize of the config (128)")
    add("--fix", metavar="LIST", help="write the good ones there, for data.list")
    add("--out", default="doctor", metavar="DIR", help="for the page (doctor)")


def run(args: argparse.Namespace) -> int:
    """Examine, print what was found, write the page; 1 where something was found."""
    from colorjax.apps.doctor import report as report  # heavy, like what it imports
    from colorjax.apps.doctor.checks import judge
    from colorjax.apps.doctor.page import page

    out = Path(args.out)
    for folder in [out, *([Path(args.fix).parent] if args.fix else [])]:
        check_folder(folder)
    sources, missing = _sources(args)
    joined = Concat(list(sources.values()))
    facts = examine(joined, args.resize, len(next(iter(sources.values()))))
    found = judge(facts, args.resize)
    lengths = {split: len(source) for split, source in sources.items()}
    summary = report.summarize(facts, found, lengths, args.resize)
    bad = {place for places in found.values() for place in places}
    good = [place for place in range(len(joined)) if place not in bad]

    data = printable(args.data)
    html = page(data, summary, missing, found, good, joined)
    files.write_bytes(out / "doctor.html", html.encode())
    files.write_bytes(out / "doctor.csv", _csv(found, joined).encode())
    files.write_json(out / "doctor.json", {"data": data, **summary})
    for line in [*report.counts(summary), *missing, *report.expectations(summary)]:
        print(line)
    print(f"page: {out}/doctor.html; every picture with a finding: {out}/doctor.csv")
    if args.fix:
        if not good:
            raise UserError(f"--fix {args.fix}: not one picture is good; see the page")
        write_list(args.fix, _listable(joined, good))
        print(f"use the {len(good)} good ones: --config.data.list={args.fix}")
    return 1 if bad or missing else 0


def _sources(args: argparse.Namespace) -> tuple[dict[str, Source], list[str]]:
    """The splits that are there, and a line for each other one.

    Raises `UserError` where there is none.
    """
    from colorjax.data.pipeline import ImageDataset

    is_folder = "://" in args.data or args.data[:1] in "./~" or Path(args.data).is_dir()
    kind = {"root" if is_folder else "name": args.data}
    pictures = ImageDataset(
        **kind,
        data_dir=args.data_dir,
        holdout=args.holdout,
        resize=args.resize,
        crop=8,
    )
    sources, missing = {}, []
    for split in args.split or ["train", "test"]:
        try:
            sources[split] = pictures.source(split)
        except UserError as error:
            missing.append(str(error))
    if not sources:
        raise UserError(missing[0])
    return sources, missing


def examine(source: Source, side: int, first: int) -> "Facts":  # noqa: F821
    """Look at every picture, with a progress line; the prior is of the `first` ones.

    At most `BATCH` squares of `side` are held, and of each picture a thumbnail.
    """
    import numpy as np

    from colorjax.apps.doctor.checks import Facts, Looked, look, measure
    from colorjax.quantize import Q

    def one(place: int) -> Looked | str:
        try:
            return look(source[place].data, source.name(place), side)
        except Exception as error:  # whatever a broken file or record provokes
            reason = printable(str(error).partition("\n")[0])
            return reason.removeprefix(f"{source.name(place)}: ")

    unreadable, looked, measured = {}, [], []
    prior = np.zeros(Q, np.float64)
    progress = Progress("examined", len(source))
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(source), BATCH):
            places = range(start, min(start + BATCH, len(source)))
            squares = np.zeros((BATCH, side, side, 3), np.uint8)
            read = []
            for place, result in zip(places, pool.map(one, places), strict=True):
                if isinstance(result, str):
                    unreadable[place] = result
                    continue
                squares[len(read)] = result.square
                read.append(place)
                looked.append((place, *result[:3]))
            found = [np.asarray(x)[: len(read)] for x in measure(squares)]
            prior += found.pop()[np.array(read, int) < first].sum(axis=0)
            measured.append(found)
            progress.update(places[-1] + 1, source.name(places[-1]))
    if not looked:
        raise UserError(f"not one of {len(source)} pictures can be read")
    place, sizes, digests, thumbs = zip(*looked, strict=True)
    return Facts(
        len(source),
        unreadable,
        np.array(place),
        np.array(sizes),
        list(digests),
        np.stack(thumbs),
        *(np.concatenate(x) for x in zip(*measured, strict=True)),
        (prior / max(prior.sum(), 1e-9)).astype(np.float32),
    )


def _csv(found: dict[str, dict[int, str | int]], source: Source) -> str:
    """A line for each finding: which, of what picture, and what is to be said."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["finding", "picture", "detail"])
    for kind, places in found.items():
        for place, detail in places.items():
            if isinstance(detail, int):
                detail = printable(source.key(detail))
            writer.writerow([kind, printable(source.key(place)), detail])
    return text.getvalue()


def _listable(source: Source, places: list[int]) -> list[str]:
    """The keys of pictures; one with a line break in it has no place in a list."""
    keys = [source.key(place) for place in places]
    left = sum("\n" in key for key in keys)
    if left:
        print(f"colorjax: {left} names have line breaks: not listed", file=sys.stderr)
    return [key for key in keys if "\n" not in key]
