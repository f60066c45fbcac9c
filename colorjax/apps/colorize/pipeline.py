"""Photographs from files to files: read -> predict -> decode -> write.

Each stage is a function of typed values, and `colorize` maps the stages over many
pictures. An error is a value, too, `Failed`, which the later stages pass on.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from colorjax import images
from colorjax.apps.colorize.jobs import DISTRIBUTION, UNCERTAINTY, Job, Wanted
from colorjax.errors import UserError
from colorjax.inference import archive, decode
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution

THREADS = os.cpu_count()  # that read, decode and write; the network has its own
MAX_WINDOW = 48_000_000  # pixels in memory at once, unless one picture has more
BATCHES = 4  # of pictures in a window, so that those of one size go together


class Encoded(NamedTuple):
    """The bytes of a picture file."""

    job: Job
    data: bytes


class Photograph(NamedTuple):
    """The pixels of a picture."""

    job: Job
    picture: images.Picture


class Predicted(NamedTuple):
    """The pixels of a picture and its predicted distribution."""

    job: Job
    picture: images.Picture
    distribution: Distribution


class Output(NamedTuple):
    """The content of one file; `path` is None for standard output."""

    job: Job
    path: Path | None
    content: images.Picture | Distribution


class Written(NamedTuple):
    """A job whose files are all written."""

    job: Job


class Failed(NamedTuple):
    """A job that failed, and the message for the user."""

    job: Job
    message: str


T = TypeVar("T")
Predict = Callable[[list[Photograph]], list[Predicted | Failed]]


def colorize(
    jobs: Iterable[Job],
    predict: Predict,
    wanted: Wanted,
    batch: int,
    max_pixels: int,
    seed: int | None,
    options: decode.Options,
) -> Iterator[Written | Failed]:
    """Do the jobs, and give the result of each, in order.

    `predict` is the second stage: `predict_with` or `load_saved`. `options` are those
    of `decode`; `seed` is that of the first sample. Pictures are processed in windows:
    threads read those of a window, then the network predicts them, then threads decode
    and write them. A window has at most `MAX_WINDOW` pixels and `BATCHES` batches.
    """

    def finish(slot: list[Predicted | Failed]) -> Written | Failed:
        # Nothing but `_decode` holds the pixels, so that it can free them.
        item = slot.pop()
        if isinstance(item, Failed):
            return item
        job, outputs = item.job, _decode(item, wanted, seed, options)
        del item
        try:
            for output in outputs:
                _write(output)
        except UserError as error:
            return Failed(job, str(error))
        return Written(job)

    read = partial(_read, max_pixels=max_pixels)
    with ThreadPoolExecutor(THREADS) as pool:
        for window in _windows(map(_fetch, jobs), BATCHES * batch):
            photographs = list(pool.map(read, _drain(window)))
            slots = [[item] for item in _predict_all(predict, photographs)]
            del photographs
            yield from pool.map(finish, slots)


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


def _read(item: Encoded | Failed, max_pixels: int) -> Photograph | Failed:
    if isinstance(item, Failed):
        return item
    try:
        picture = images.read_full(item.data, item.job.name, max_pixels)
    except UserError as error:
        return Failed(item.job, str(error))
    return Photograph(item.job, picture)


def _predict_all(
    predict: Predict, items: list[Photograph | Failed]
) -> list[Predicted | Failed]:
    """`predict` of all photographs; failures keep their places."""
    results = iter(predict([x for x in items if isinstance(x, Photograph)]))
    return [x if isinstance(x, Failed) else next(results) for x in items]


def predict_with(
    photographs: list[Photograph], colorizer: Colorizer, batch: int
) -> list[Predicted | Failed]:
    """The predictions of a network."""
    pictures = [photograph.picture for photograph in photographs]
    distributions = colorizer.predict(pictures, batch)
    return [Predicted(*x, y) for x, y in zip(photographs, distributions, strict=True)]


def load_saved(
    photographs: list[Photograph], path: Path, out: Path
) -> list[Predicted | Failed]:
    """The predictions that an earlier command saved.

    `path` is the file of one picture, or the folder of all. There a file has the place
    that its picture has below the output folder `out`.
    """
    results: list[Predicted | Failed] = []
    for job, picture in photographs:
        file = path
        if path.is_dir():
            name = job.beside(DISTRIBUTION)
            below = out != job.base and name.is_relative_to(out)
            file = path / (name.relative_to(out) if below else name.name)
        try:
            results.append(Predicted(job, picture, archive.load(file)))
        except UserError as error:
            results.append(Failed(job, str(error)))
    return results


def _decode(
    predicted: Predicted, wanted: Wanted, seed: int | None, options: decode.Options
) -> Iterator[Output]:
    """The content of each file of a job. Frees the source's pixels before the last."""
    job, picture, distribution = predicted
    targets = job.results(wanted.samples)
    # One reference for each result: the last one to be used frees the pixels.
    pictures = [picture] * len(targets)
    del predicted, picture
    if wanted.distribution:
        yield Output(job, job.beside(DISTRIBUTION), distribution)
    if wanted.uncertainty:
        entropy_map = decode.with_legend(decode.uncertainty(distribution))
        yield Output(job, job.beside(UNCERTAINTY), entropy_map)
    for i, target in enumerate(targets):
        own = options | decode.Options(seed=None if seed is None else seed + i)
        try:
            colored = decode.decode(distribution, pictures.pop(), **own)
        except UserError as error:
            raise UserError(f"{job.name}: {error}") from error
        yield Output(job, target, colored)


def _write(output: Output) -> None:
    job, path, content = output
    if path is None:
        assert not isinstance(content, Distribution)
        data = images.encode(content, images.output_format(job.base))
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif isinstance(content, Distribution):
        archive.save(path, content)
    else:
        images.write(path, content)
