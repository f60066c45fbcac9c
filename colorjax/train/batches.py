"""The images that a run learns from: `TrainingData`."""

import dataclasses
import math
from collections.abc import Iterator

import jax

from colorjax.data.batches import Batch
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Split
from colorjax.data.unreadable import UnreadableCounter
from colorjax.progress import tracked


class TrainingData:
    """The opened training splits of a dataset, and this process's part of its batches.

    `unreadable` counts the images that could not be read. Opening raises `UserError`
    if a split, the one for evaluation included, does not exist or is empty.
    """

    def __init__(self, dataset: ImageDataset, *, seed: int, batch: int, steps: int):
        self.dataset = dataset
        self.source = dataset.source(dataset.train_split)
        self.second_source = dataset.other_source()
        dataset.source(dataset.test_split)
        self.unreadable = [UnreadableCounter(self.source, dataset.max_unreadable)]
        self._seed, self._batch, self._steps = seed, batch, steps

    @property
    def splits(self) -> dict[str, Split]:
        """The training splits by the names that they have in the list of images."""
        splits = {"data": self.source}
        if self.second_source is not None:
            splits["data.other"] = self.second_source
        return splits

    def single_pass(self, batch: int, label: str) -> Iterator[Batch]:
        """The training split once, in global batches of `batch`, with progress."""
        batches = self.dataset.single_pass(
            self.source,
            batch=batch,
            process=jax.process_index(),
            processes=jax.process_count(),
        )
        total = math.ceil(len(self.source) / batch)
        return self.unreadable[0].count(tracked(batches, label, total))

    def batches(self, start: int) -> Iterator[Batch]:
        """The batches of step `start` + 1 and all later ones."""
        dataset = self.dataset
        first, second = dataset.training_sources(self.source, self.second_source)
        if first is not self.source:  # a half, whose images have other indices
            self.unreadable = [UnreadableCounter(first, dataset.max_unreadable)]
        if second is not None:
            self.unreadable.append(
                UnreadableCounter(second, dataset.max_unreadable, second=True)
            )
        batches = self._training(dataset, start, self._steps)
        for counter in self.unreadable:
            batches = counter.count(batches)
        return batches

    def batch_of(self, step: int) -> Batch:
        """The batch of one step, read without worker processes."""
        dataset = dataclasses.replace(self.dataset, workers=0)
        return next(self._training(dataset, step - 1, step))

    def _training(self, dataset: ImageDataset, start: int, steps: int):
        return dataset.training(
            *dataset.training_sources(self.source, self.second_source),
            seed=self._seed,
            batch=self._batch,
            start=start,
            steps=steps,
            process=jax.process_index(),
            processes=jax.process_count(),
        )
