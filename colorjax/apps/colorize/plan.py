"""The plan of a command: the pictures that it reads and the files that it writes."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from colorjax import images
from colorjax.data.folder import image_files
from colorjax.errors import UserError
from colorjax.files import files_below

STANDARD = "-"  # the name of standard input and standard output
UNCERTAINTY = ".uncertainty.png"
DISTRIBUTION = ".colors.npz"


class Wanted(NamedTuple):
    """The files to write for each picture.

    `samples` is the number of samples, or None for one picture in color.
    """

    samples: int | None = None
    distribution: bool = False
    uncertainty: bool = False


class Job(NamedTuple):
    """One picture to colorize.

    `source` is None for standard input, and `target` is None for standard output.
    `base` has the place below the output folder that the source has below the input
    folder; files beside the result have its name plus a suffix.
    """

    source: Path | None
    target: Path | None
    base: Path

    @property
    def name(self) -> str:
        """The name of the picture in messages."""
        return "standard input" if self.source is None else str(self.source)

    def results(self, samples: int | None) -> list[Path | None]:
        """The pictures to write: the target, or, of N samples, target-1 to target-N."""
        if samples is None or self.target is None:
            return [self.target]
        stem, suffix = self.target.stem, self.target.suffix
        names = (f"{stem}-{i}{suffix}" for i in range(1, samples + 1))
        return [self.target.with_name(name) for name in names]

    def beside(self, suffix: str) -> Path:
        """The path of a file beside the result."""
        return self.base.with_name(self.base.name + suffix)

    def outputs(self, wanted: Wanted) -> list[Path]:
        """All files to write; none if the picture goes to standard output."""
        paths = [path for path in self.results(wanted.samples) if path is not None]
        if wanted.distribution:
            paths.append(self.beside(DISTRIBUTION))
        if wanted.uncertainty:
            paths.append(self.beside(UNCERTAINTY))
        return paths


def plan(inputs: list[str], out: str, kind: str | None, wanted: Wanted) -> list[Job]:
    """The jobs of a command. The results keep the folder tree of their sources.

    `kind` is the suffix of all results; None keeps those of the sources. Raises
    `UserError` if an input is missing, if the output cannot be written, or if a result
    would replace an input or another result.
    """
    if out == STANDARD:
        return [_to_standard_output(inputs, kind, wanted)]
    folder, jobs = Path(out), []
    single = len(inputs) == 1 and folder.suffix and not folder.is_dir()
    for name in inputs:
        source = Path(name)
        if name != STANDARD and source.is_dir():
            paths = sorted(_pictures(source, folder))
            if not paths:
                others = left_out(source) or "no files"
                raise UserError(f"{source}: no pictures in this folder ({others})")
            jobs += [_job(p, folder / p.relative_to(source), kind) for p in paths]
            continue
        if name == STANDARD:
            source, below = None, "picture.png"
        elif source.is_file():
            below = source.name
        else:
            raise UserError(f"{source}: no such file or folder")
        if single:
            jobs.append(Job(source, folder, folder))
        else:
            jobs.append(_job(source, folder / below, kind))
    _check(jobs, wanted)
    check_folder(folder.parent if single else folder)
    if not single:
        _check_links(jobs, folder)
    return jobs


def _job(source: Path | None, base: Path, kind: str | None) -> Job:
    suffix = f".{kind}" if kind else images.output_suffix(base.suffix)
    return Job(source, base.with_suffix(suffix), base)


def _to_standard_output(inputs: list[str], kind: str | None, wanted: Wanted) -> Job:
    """The job whose result goes to standard output."""
    source = None if inputs[0] == STANDARD else Path(inputs[0])
    if len(inputs) > 1 or (source is not None and source.is_dir()):
        raise UserError("--out - takes one picture only; give a folder instead")
    if wanted != Wanted():
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
    """Raise `UserError` if a result has an unknown format or would replace a file."""
    originals = {job.source.resolve() for job in jobs if job.source is not None}
    targets = {}
    for job in jobs:
        images.output_format(job.target or job.base)
        for target in job.outputs(wanted):
            place = target.resolve()
            if place in originals:
                raise UserError(f"{target} is an input too; give another --out")
            if place in targets:
                raise UserError(
                    f"{targets[place]} and {job.name} would both be written to "
                    f"{target}; colorize them one by one"
                )
            targets[place] = job.name


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
