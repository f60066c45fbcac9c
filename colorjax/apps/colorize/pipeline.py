"""Photographs from files to files: read -> predict -> decode -> write.

Each stage is a function of typed values (see `stages`), and `colorize` maps the stages
over many pictures. An error is a value, too, `Failed`, which the later stages pass on.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from colorjax import images
from colorjax.apps.colorize.jobs import DISTRIBUTION, HINTS, UNCERTAINTY, Job, Wanted
from colorjax.apps.colorize.placing import place
from colorjax.apps.colorize.stages import (
    Encoded,
    Failed,
    Output,
    Photograph,
    Predicted,
    Reading,
    Written,
)
from colorjax.apps.colorize.writing import write
from colorjax.errors import UserError
from colorjax.inference import archive, decode
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.likeness import Features, liken
from colorjax.words import UnsureError

THREADS = os.cpu_count()  # that read, decode and write; the network has its own
MAX_WINDOW = 48_000_000  # pixels in memory at once, unless one picture has more
BATCHES = 4  # of pictures in a window, so that those of one size go together


T = TypeVar("T")
Predict = Callable[[list[Photograph]], list[Predicted | Failed]]


def colorize(
    jobs: Iterable[Job],
    predict: Predict,
    wanted: Wanted,
    batch: int,
    seed: int | None,
    options: decode.Options,
    reading: Reading,
    settings: images.Settings,
) -> Iterator[Written | Failed]:
    """Do the jobs, and give the result of each, in order.

    `predict` is the second stage: `predict_with` or `load_saved`. `options` are those
    of `decode`; `seed` is that of the first sample; `settings` are those of the files
    that are written. Pictures are processed in windows:
    threads read those of a window, then the network predicts them, then threads decode
    and write them. A window has at most `MAX_WINDOW` pixels and `BATCHES` batches of
    samples.
    """

    def finish(pages: list[Predicted | Failed]) -> Written | Failed:
        # Nothing but `_decode` holds the pixels, so that it can free them.
        job = pages[0].job
        for failure in (page for page in pages if isinstance(page, Failed)):
            return failure
        predicted = [page for page in pages if isinstance(page, Predicted)]
        notes = dict.fromkeys(note for page in predicted for note in page.notes())
        pages.clear()
        outputs = _decode(predicted, wanted, seed, options)
        try:
            for output in outputs:
                notes |= dict.fromkeys(write(output, settings))
        except UserError as error:
            return Failed(job, str(error))
        return Written(job, list(notes))

    read = partial(_read, reading=reading, wanted=wanted)
    with ThreadPoolExecutor(THREADS) as pool:
        most = max(1, BATCHES * batch // (wanted.samples or 1))
        for window in _windows(map(_fetch, jobs), most):
            photographs = [x for file in pool.map(read, _drain(window)) for x in file]
            jobs_pages = _by_job(_predict_all(predict, photographs))
            del photographs
            yield from pool.map(finish, jobs_pages)


def _fetch(job: Job) -> Encoded | Failed:
    try:
        if job.source is None:
            return Encoded(job, sys.stdin.buffer.read())
        return Encoded(job, images.load_bytes(job.source))
    except UserError as error:
        return Failed(job, str(error))


def _windows(
    items: Iterable[Encoded | Failed], count: int
) -> Iterator[list[Encoded | Failed]]:
    """Lists of at most `count` items whose pictures may be in memory together."""
    window, total = [], 0
    for item in items:
        pixels = images.pixel_count(item.data) if isinstance(item, Encoded) else 0
        if window and (len(window) == count or total + pixels > MAX_WINDOW):
            yield window
            window, total = [], 0
        window.append(item)
        total += pixels
    if window:
        yield window


def _drain(items: list[T]) -> Iterator[T]:
    """The items in order. The list is emptied, so that each can be freed when used."""
    items.reverse()
    while items:
        yield items.pop()


def _read(
    item: Encoded | Failed, reading: Reading, wanted: Wanted
) -> list[Photograph | Failed]:
    """The pages of a file, or the failure to read it."""
    if isinstance(item, Failed):
        return [item]
    job, asked = item.job, wanted.hints
    try:
        pages = images.read_file(item.data, job.name, *reading)
        has_places = asked is not None and asked.has_places(job.source)
        has_places |= wanted.text is not None
        if len(pages) > 1 and (wanted.distribution or wanted.uncertainty or has_places):
            raise UserError(
                f"{job.name}: {len(pages)} pages; distributions, maps of uncertainty "
                "and hints are those of one page; split the file"
            )
        sizes = [page.picture.shape[:2] for page in pages]
        guides = [asked and asked.on(job.source, size) for size in sizes]
        own = zip(pages, guides, strict=True)
        return [place(job, *page, wanted.text) for page in own]
    except UnsureError as error:
        return [Failed(job, str(error), code=2)]
    except UserError as error:
        return [Failed(job, str(error))]


def _by_job(items: list[Predicted | Failed]) -> list[list[Predicted | Failed]]:
    """The pages of each job. `items` is emptied."""
    groups: list[list[Predicted | Failed]] = []
    for item in _drain(items):
        if groups and groups[-1][0].job is item.job:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _predict_all(
    predict: Predict, items: list[Photograph | Failed]
) -> list[Predicted | Failed]:
    """`predict` of all photographs; failures keep their places."""
    results = iter(predict([x for x in items if isinstance(x, Photograph)]))
    return [x if isinstance(x, Failed) else next(results) for x in items]


def predict_with(
    photographs: list[Photograph],
    colorizer: Colorizer,
    batch: int,
    seeds: Sequence[int | None] = (None,),
) -> list[Predicted | Failed]:
    """The predictions of a network, one for each seed of its noise."""
    pictures = [photograph.page.picture for photograph in photographs]
    guides = [photograph.guide for photograph in photographs]
    samples = [
        colorizer.predict(pictures, batch=batch, seed=seed, hints=guides)
        for seed in seeds
    ]
    own = zip(*samples, strict=True)
    return [Predicted(*x, list(y)) for x, y in zip(photographs, own, strict=True)]


def load_saved(
    photographs: list[Photograph],
    path: Path,
    out: Path,
    features: Features | None = None,
) -> list[Predicted | Failed]:
    """The predictions that an earlier command saved, with `features` likened to the
    exemplars of their hints.

    `path` is the file of one picture, or the folder of all. There a file has the place
    that its picture has below the output folder `out`.
    """
    results: list[Predicted | Failed] = []
    for job, page, guide in photographs:
        file = path
        if path.is_dir():
            name = job.beside(DISTRIBUTION)
            below = out != job.base and name.is_relative_to(out)
            file = path / (name.relative_to(out) if below else name.name)
        try:
            distribution = liken(archive.load(file), guide, features)
            results.append(Predicted(job, page, guide, [distribution]))
        except UserError as error:
            results.append(Failed(job, str(error)))
    return results


def _decode(
    predicted: list[Predicted],
    wanted: Wanted,
    seed: int | None,
    options: decode.Options,
) -> Iterator[Output]:
    """The content of each file of a job. Frees the source's pixels before the last.

    `predicted` are the pages of the job; it is emptied.
    """
    job = predicted[0].job
    targets, guide = job.results(wanted.samples), predicted[0].guide
    samples = [page.distributions for page in predicted]
    # One list for each result: the last one to be used frees the pixels.
    pages = [[item.page for item in predicted] for _ in targets]
    guides = [item.guide for item in predicted]
    predicted.clear()
    if wanted.distribution:
        yield Output(job, job.beside(DISTRIBUTION), samples[0][0])
    if wanted.uncertainty:
        entropy_map = decode.uncertainty(samples[0][0], hints=guides[0])
        yield Output(job, job.beside(UNCERTAINTY), decode.with_legend(entropy_map))
    if guides[0] and wanted.keeps_hints(job.source) and job.target:
        yield Output(job, job.beside(HINTS), guides[0])
    for i, target in enumerate(targets):
        own_seed = None if seed is None else seed + i
        colored = []
        for own_samples, guide, page in zip(
            samples, guides, _drain(pages.pop()), strict=True
        ):
            distribution = own_samples[i % len(own_samples)]
            *rest, picture = page[1:], page.picture
            del page
            try:
                own = options | decode.Options(seed=own_seed, hints=guide)
                picture = decode.decode(distribution, picture, **own)
            except UserError as error:
                raise UserError(f"{job.name}: {error}") from error
            colored.append(images.Page(picture, *rest[0]))
            del picture
        yield Output(job, target, colored)
