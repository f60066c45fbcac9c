"""The plan of a command: the pictures that it reads and the files that it writes."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from colorjax import images
from colorjax.apps.colorize.jobs import STANDARD, Job, Wanted
from colorjax.data.folder import image_files
from colorjax.errors import UserError
from colorjax.files import files_below

SUFFIXES = ", ".join(images.SUFFIXES)
LONGEST = 255  # bytes in the name of a file


class Plan(NamedTuple):
    """What a command does.

    - `jobs`: the pictures to colorize;
    - `failures`: a message for each input that cannot be colorized;
    - `notes`: what the user should know of the names of the results.
    """

    jobs: list[Job]
    failures: list[str]
    notes: list[str]


def plan(inputs: list[str], out: str | None, kind: str | None, wanted: Wanted) -> Plan:
    """The jobs of a command. The results keep the folder tree of their sources.

    `out` is a folder, or for one picture a file. An existing folder and a path that
    ends with a slash are folders. Without `out`, the results are beside their sources.
    `kind` is the suffix of all results; None keeps those of the sources. Raises
    `UserError` if no input can be colorized, if the output cannot be written, or if a
    result would replace an input or another result.
    """
    if out == STANDARD or (out is None and inputs == [STANDARD]):
        return Plan([_to_standard_output(inputs, kind, wanted)], [], [])
    file = Path(out) if out is not None and _is_file(inputs, out) else None
    jobs, failures = [], []
    for name in dict.fromkeys(inputs):
        try:
            if file is not None:
                jobs.append(Job(_existing(name), file, file))
            else:
                jobs += _jobs(name, out, kind)
        except UserError as error:
            failures.append(str(error))
    if not jobs:
        raise UserError("\n".join(failures))
    jobs, notes = _distinguish(_without_repetitions(jobs), kind)
    if out is None:
        jobs = _without_results(jobs, wanted)
    _check(jobs, wanted)
    for folder in {job.base.parent for job in jobs} if out is None else [Path(out)]:
        check_folder(folder.parent if file is not None else folder)
    if out is not None and file is None:
        _check_links(jobs, Path(out))
    return Plan(jobs, failures, notes)


def _is_file(inputs: list[str], out: str) -> bool:
    """Whether `out` names the one picture to write, not a folder.

    Raises `UserError` if it names a picture and there may be several.
    """
    suffix = Path(out).suffix
    if not suffix or out.endswith(("/", os.sep)) or Path(out).is_dir():
        return False
    if len(inputs) == 1 and not Path(inputs[0]).is_dir():
        return True
    if suffix.lower() in images.SUFFIXES:
        raise UserError(
            f"--out {out} names one picture, but the input is a folder or several "
            f"pictures; give a folder, such as {Path(out).with_suffix('')}/"
        )
    return False


def _existing(name: str) -> Path | None:
    """The path of an input, or None for standard input.

    Raises `UserError` if there is no such file or folder.
    """
    path = Path(name)
    if name == STANDARD:
        return None
    if not (path.is_dir() or path.is_file()):
        raise UserError(f"{path}: no such file or folder")
    return path


def _jobs(name: str, out: str | None, kind: str | None) -> list[Job]:
    """The jobs of one input, whose results are in the folder `out`.

    Without `out`, NAME.png becomes NAME-colorized.png, and a folder FOLDER-colorized.
    Raises `UserError` if the input has no picture.
    """
    source = _existing(name)
    if source is not None and source.is_dir():
        named = source if source.name.strip(".") else source.resolve()  # not `..`
        folder = Path(out) if out else named.with_name(f"{named.name}-colorized")
        paths = sorted(_pictures(source, folder))
        if not paths:
            others = left_out(source) or "no files"
            raise UserError(f"{source}: no pictures in this folder ({others})")
        return [_job(p, folder / p.relative_to(source), kind) for p in paths]
    below = Path("picture.png") if source is None else source
    if kind is None and below.suffix.lower() not in images.SUFFIXES:
        raise UserError(
            f"{below}: its name does not end like that of a picture ({SUFFIXES}); "
            "give --format if it is one"
        )
    if out is None:
        return [_job(source, below.with_stem(f"{below.stem}-colorized"), kind)]
    return [_job(source, Path(out) / below.name, kind)]


def _job(source: Path | None, base: Path, kind: str | None) -> Job:
    suffix = f".{kind}" if kind else images.output_suffix(base.suffix)
    return Job(source, base.with_suffix(suffix), base)


def _without_repetitions(jobs: list[Job]) -> list[Job]:
    """The jobs, each once: a picture may be named twice, or beside its folder."""
    unique = {(job.source and job.source.resolve(), job.base): job for job in jobs}
    return list(unique.values())


def _distinguish(jobs: list[Job], kind: str | None) -> tuple[list[Job], list[str]]:
    """The jobs, and a note for each result that another one would replace.

    With a `kind`, a.jpg and a.png would both become a.png. So a.jpg becomes a.jpg.png.
    """
    targets = Counter(job.target for job in jobs)
    result, notes = [], []
    for job in jobs:
        if kind and job.target != job.base and targets[job.target] > 1:
            job = job._replace(target=job.base.with_name(f"{job.base.name}.{kind}"))
            notes.append(f"{job.name}: written to {job.target}, a name of its own")
        result.append(job)
    return result, notes


def _without_results(jobs: list[Job], wanted: Wanted) -> list[Job]:
    """The jobs whose source is no result of another job.

    Without --out, results are beside their sources. So `colorjax colorize *.jpg` finds
    them when it is given again.
    """
    results = {path.resolve() for job in jobs for path in job.outputs(wanted)}
    return [j for j in jobs if j.source is None or j.source.resolve() not in results]


def _to_standard_output(inputs: list[str], kind: str | None, wanted: Wanted) -> Job:
    """The job whose result goes to standard output."""
    source = None if inputs[0] == STANDARD else Path(inputs[0])
    if len(inputs) > 1 or (source is not None and source.is_dir()):
        raise UserError("--out - takes one picture only; give a folder instead")
    if wanted._replace(hints=None, text=None) != Wanted():
        raise UserError(
            "--out - takes the picture only, no samples, distribution or map of "
            "uncertainty; give a folder instead"
        )
    if source is not None and not source.is_file():
        raise UserError(f"{source}: no such file or folder")
    return Job(source, None, Path(f"picture.{kind or 'png'}"))


def _pictures(folder: Path, out: Path) -> Iterator[Path]:
    """The picture files below a folder, except those below `out`, earlier results."""
    root, results = folder.resolve(), out.resolve()
    inside = results != root and results.is_relative_to(root)
    for name in image_files(folder):
        if not (inside and (root / name).is_relative_to(results)):
            yield folder / name


def left_out(folder: Path) -> str:
    """The files below a folder that are no pictures, by suffix: "3 .txt, 1 .xcf"."""
    suffixes = (Path(name).suffix.lower() for name in files_below(folder, ("",)))
    counts = Counter(
        s or "without suffix" for s in suffixes if s not in images.SUFFIXES
    )
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))


def _check(jobs: list[Job], wanted: Wanted) -> None:
    """Raise `UserError` for a result of unknown format or too long a name, and if it
    would replace an input or another result."""
    originals = {job.source.resolve() for job in jobs if job.source is not None}
    targets = {}
    for job in jobs:
        images.output_format(job.target or job.base)
        for target in job.outputs(wanted):
            _check_length(target)
            place = target.resolve()
            if place in originals:
                raise UserError(f"{target} is an input too; give another --out")
            if place in targets:
                raise UserError(
                    f"{targets[place]} and {job.name} would both be written to "
                    f"{target}; colorize them one by one"
                )
            targets[place] = job.name


def _check_length(path: Path) -> None:
    """Raise `UserError` if the name of a file is too long for a file system."""
    if (length := len(os.fsencode(path.name))) > LONGEST:
        raise UserError(
            f"{path}: a name of {length} bytes is longer than the {LONGEST} that file "
            "systems take; give the picture a shorter name, or a file as --out"
        )


def check_folder(folder: Path) -> None:
    """Raise `UserError` if no file can be written to a folder, which may be new."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise UserError(f"{folder}: cannot be written ({existing} is not a folder)")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be written (Permission denied)")


def _check_links(jobs: list[Job], folder: Path) -> None:
    """Raise `UserError` if a link in the output folder leads out of it."""
    root = folder.resolve()
    for parent in {job.base.parent for job in jobs}:
        if not parent.resolve().is_relative_to(root):
            raise UserError(f"{parent} is a link out of {folder}; give another --out")
