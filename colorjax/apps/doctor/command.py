"""Examine pictures before training on them: what is wrong, what to expect.

The command counts and lists pictures that are grey, toned like sepia, nearly constant,
tiny, repeated or unreadable. It shows the prior and the colorfulness. --fix lists the
other pictures, for data.list of a config. Exit code: 0 if nothing is wrong, 1 if
something is, 2 after a mistake.
"""

import argparse
import csv
import io
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from colorjax import files
from colorjax.apps import options
from colorjax.apps.colorize.plan import check_folder
from colorjax.data.lists import write_list
from colorjax.data.sources import Concat, Source
from colorjax.errors import UserError, counted, printable
from colorjax.progress import Progress

if TYPE_CHECKING:  # heavy, and --help does not need it
    from colorjax.apps.doctor.checks import Examination, Findings

THREADS = os.cpu_count()  # for reading and decoding
BATCH = 64  # images that are measured together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        type=options.path,
        help="a folder, package://NAME/PATH or a TFDS name",
    )
    add(
        "--split",
        action="append",
        metavar="SPLIT",
        help="repeatable, the first is for training (train, then test)",
    )
    add(
        "--data_dir",
        type=options.path,
        metavar="DIR",
        help="the directory of TFDS data, as in a config",
    )
    kinds = ("hash", "sorted")
    add("--holdout", default="hash", choices=kinds, help="as in a config (hash)")
    add(
        "--resize",
        type=options.whole(8, 8192),
        default=128,
        help="data.resize of the config (128)",
    )
    add(
        "--fix",
        type=options.path,
        metavar="LIST",
        help="write the list of good pictures, for data.list",
    )
    add(
        "--out",
        type=options.path,
        default="doctor",
        metavar="DIR",
        help="the page's directory (doctor)",
    )


def run(args: argparse.Namespace) -> int:
    """Examine the images, print a summary, write the page; 1 if there is a finding."""
    from colorjax.apps.doctor import report  # heavy, and --help does not need it
    from colorjax.apps.doctor.checks import find_problems

    out = Path(args.out)
    for folder in [out, *([Path(args.fix).parent] if args.fix else [])]:
        check_folder(folder)
    sources, missing = _sources(args)
    source = Concat(list(sources.values()))
    examination = examine(source, args.resize, len(next(iter(sources.values()))))
    findings = find_problems(examination, args.resize)
    lengths = {split: len(part) for split, part in sources.items()}
    summary = report.summarize(examination, findings, lengths, args.resize)
    bad = {index for images in findings.values() for index in images}
    good = [index for index in range(len(source)) if index not in bad]

    data = printable(args.data)
    html = report.page(data, summary, missing, findings, good, source)
    files.write_bytes(out / "doctor.html", html.encode())
    files.write_bytes(out / "doctor.csv", _csv(findings, source).encode())
    files.write_json(out / "doctor.json", {"data": data, **summary})
    print(report.total(summary))
    for line in report.counts(summary, findings, source):
        print(line)
    for line in [*missing, *report.expectations(summary)]:
        print(line)
    print(f"page: {out}/doctor.html; every picture with a finding: {out}/doctor.csv")
    if args.fix:
        if not good:
            raise UserError(f"--fix {args.fix}: not one picture is good; see the page")
        write_list(args.fix, _listable(source, good))
        flag = shlex.quote(f"--config.data.list={args.fix}")
        print(f"use the {counted(len(good), 'good one')}: {flag}")
    return 1 if bad or missing else 0


def _sources(args: argparse.Namespace) -> tuple[dict[str, Source], list[str]]:
    """The splits that exist, by name, and a message for each that does not.

    Raises `UserError` where none exists.
    """
    from colorjax.data.pipeline import ImageDataset

    is_folder = "://" in args.data or args.data[:1] in "./~" or Path(args.data).is_dir()
    kind = {"root" if is_folder else "name": args.data}
    dataset = ImageDataset(
        **kind,
        data_dir=args.data_dir,
        holdout=args.holdout,
        resize=args.resize,
        crop=8,
    )
    sources, missing = {}, []
    for split in args.split or ["train", "test"]:
        try:
            sources[split] = dataset.source(split)
        except UserError as error:
            missing.append(str(error))
    if not sources:
        raise UserError(missing[0])
    return sources, missing


def examine(source: Source, side: int, train: int) -> "Examination":
    """Decode and measure every image, with a progress line.

    The first `train` images are the training split, which the prior is computed from.
    Memory holds `BATCH` squares of `side` pixels and a thumbnail of each image. Raises
    `UserError` where no image can be read.
    """
    import numpy as np

    from colorjax.apps.doctor.checks import Decoded, Examination, decode, measure
    from colorjax.quantize import Q

    def one(index: int) -> Decoded | str:
        try:
            return decode(source[index].data, source.name(index), side)
        except Exception as error:  # a broken file or record can raise anything
            reason = printable(str(error).partition("\n")[0])
            return reason.removeprefix(f"{source.name(index)}: ")

    unreadable, readable, decoded, measured = {}, [], [], []
    prior = np.zeros(Q, np.float64)
    progress = Progress("examined", len(source))
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(source), BATCH):
            batch = range(start, min(start + BATCH, len(source)))
            squares = np.zeros((BATCH, side, side, 3), np.uint8)
            indices = []
            for index, result in zip(batch, pool.map(one, batch), strict=True):
                if isinstance(result, str):
                    unreadable[index] = result
                    continue
                squares[len(indices)] = result.square
                indices.append(index)
                decoded.append(result[:3])
            *measures, code = (np.asarray(x)[: len(indices)] for x in measure(squares))
            prior += code[np.array(indices, int) < train].sum(axis=0)
            measured.append(measures)
            readable += indices
            progress.update(batch[-1] + 1, source.name(batch[-1]))
    if not readable:
        raise UserError(f"not one of {len(source)} pictures can be read")
    sizes, digests, thumbs = zip(*decoded, strict=True)
    return Examination(
        len(source),
        unreadable,
        np.array(readable),
        np.array(sizes),
        list(digests),
        np.stack(thumbs),
        *(np.concatenate(x) for x in zip(*measured, strict=True)),
        prior=(prior / max(prior.sum(), 1e-9)).astype(np.float32),
    )


def _csv(findings: "Findings", source: Source) -> str:
    """A line for each finding: its kind, the image, and the detail."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["finding", "picture", "detail"])
    for kind, images in findings.items():
        for index, detail in images.items():
            if isinstance(detail, int):
                detail = printable(source.key(detail))
            writer.writerow([kind, printable(source.key(index)), detail])
    return text.getvalue()


def _listable(source: Source, indices: list[int]) -> list[str]:
    """The keys of images, without those that contain a line break."""
    keys = [source.key(index) for index in indices]
    broken = sum("\n" in key for key in keys)
    if broken:
        names = counted(broken, "name")
        print(f"colorjax: not listed: {names} with line breaks", file=sys.stderr)
    return [key for key in keys if "\n" not in key]
