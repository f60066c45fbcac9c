"""Evaluated images that a run has trained on: `count_overlap`."""

import os

from colorjax.data.folder import resolve
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source
from colorjax.errors import UserError
from colorjax.train.records import restore_manifests
from colorjax.train.workdir import Run, locate_run


def count_overlap(
    runs: dict[str, Run],
    workdirs: dict[str, str],
    dataset: ImageDataset,
    source: Source,
) -> dict[str, int]:
    """How many images of `source`, a split of `dataset`, each run has trained on.

    Runs without such images are left out. `pictures.json` in a workdir tells which
    images were in the training split when the run began.
    """
    evaluated = _identities(dataset, source)
    counts = {
        name: len(evaluated & _trained_on(run, workdirs[name]))
        for name, run in runs.items()
    }
    return {name: count for name, count in counts.items() if count}


def _trained_on(run: Run, workdir: str) -> set[str]:
    """The images that a run has trained on; none if its data set is not here."""
    try:
        split = run.dataset.source(run.dataset.train_split)
        restore_manifests(locate_run(workdir), {"data": split})
    except UserError:
        return set()
    return _identities(run.dataset, split)


def _identities(dataset: ImageDataset, source: Source) -> set[str]:
    """A text for each image, which is equal for the same file or record."""
    place = os.path.realpath(resolve(dataset.root)) if dataset.root else dataset.name
    return {f"{place}/{source.key(index)}" for index in range(len(source))}
