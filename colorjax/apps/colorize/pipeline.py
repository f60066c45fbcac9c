"""Pictures from files to files, many at a time: `colorize`, `Work`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from colorjax import images
from colorjax.apps.colorize.plan import DISTRIBUTION, UNCERTAINTY, Job, Wanted
from colorjax.errors import UserError
from colorjax.inference import archive, decode
from colorjax.inference.distribution import Distribution

THREADS = os.cpu_count()  # that read, paint and write; the net has its own
TOGETHER = 48_000_000  # pixels of the pictures held at once, where not one has more
LOOK = 4  # batches of pictures among which those of one working size are sought


@dataclass
class Work:
    """A picture on its way: encoded, then its pixels, then what the net says, and what
    went wrong."""

    job: Job
    data: bytes | None = None
    picture: images.Picture | None = None
    distribution: Distribution | None = None
    error: UserError | None = None

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Keep the `UserError` that is raised inside; later stages leave it be."""
        try:
            yield
        except UserError as error:
            self.error = error


def colorize(
    jobs: Iterable[Job],
    predict: Callable[[list[Work]], None],
    wanted: Wanted,
    batch: int,
    max_pixels: int,
    seed: int | None,
    options: dict[str, Any],
) -> Iterator[Work]:
    """Do the jobs; each comes back when it is done, in order.

    `predict` sets the distributions of some works. `options` are `decode`'s; `seed` is
    that of the first sample. So many pictures are held at once as have `TOGETHER`
    pixels, and at most `LOOK` batches.
    """

    def read(work: Work) -> None:
        with work.failing():
            if work.data is not None:
                work.picture = images.read_full(work.data, work.job.name, max_pixels)
        work.data = None

    def finish(work: Work) -> Work:
        with work.failing():
            if work.distribution is not None:
                _write(work, wanted, seed, options)
        work.picture = work.distribution = None
        return work

    with ThreadPoolExecutor(THREADS) as pool:
        for works in _windows(map(_fetch, jobs), LOOK * batch):
            list(pool.map(read, works))
            predict([work for work in works if work.picture is not None])
            yield from pool.map(finish, works)


def _fetch(job: Job) -> Work:
    work = Work(job)
    with work.failing():
        if job.source is None:
            work.data = sys.stdin.buffer.read()
        else:
            work.data = images.load_bytes(job.source)
    return work


def _windows(works: Iterable[Work], count: int) -> Iterator[list[Work]]:
    """Lists of works that may be in memory together."""
    window, held = [], 0
    for work in works:
        pixels = images.pixel_count(work.data) if work.data else 0
        if window and (len(window) == count or held + pixels > TOGETHER):
            yield window
            window, held = [], 0
        window.append(work)
        held += pixels
    if window:
        yield window


def _write(
    work: Work, wanted: Wanted, seed: int | None, options: dict[str, Any]
) -> None:
    """Write all that is wanted of a picture; the pixels of the source go early."""
    job, distribution = work.job, work.distribution
    if wanted.distribution:
        archive.save(job.beside(DISTRIBUTION), distribution)
    if wanted.uncertainty:
        images.write(job.beside(UNCERTAINTY), decode.uncertainty(distribution))
    targets = job.results(wanted.samples)
    for i, target in enumerate(targets):
        given = options | {"seed": None if seed is None else seed + i}
        try:
            colored = decode.decode(distribution, work.picture, **given)
        except UserError as error:
            raise UserError(f"{job.name}: {error}") from error
        if i == len(targets) - 1:
            work.picture = None
        if target is None:
            kind = images.output_format(job.base)
            sys.stdout.buffer.write(images.encode(colored, kind))
            sys.stdout.buffer.flush()
        else:
            images.write(target, colored)
