"""The images that a run learns from: `TrainingData`."""

import dataclasses
from collections.abc import Iterator

from colorjax.data.batches import Batch
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Source, Split
from colorjax.data.unreadable import UnreadableCounter


class TrainingData:
    """The opened training splits of a dataset, and this process's part of its batches.

    `splits` has the training split as "data", and the second set, if there is one, as
    "data.other". `unreadable` counts the images that could not be read. Opening raises
    `UserError` if a split, the one for evaluation included, does not exist or is empty.
    """

    def __init__(self, dataset: ImageDataset, *, seed: int, batch: int, steps: int):
        self.dataset = dataset
        self.splits: dict[str, Split] = {"data": dataset.source(dataset.train_split)}
        if (other := dataset.other_source()) is not None:
            self.splits["data.other"] = other
        dataset.source(dataset.test_split)
        self.unreadable = [
            UnreadableCounter(self.splits["data"], dataset.max_unreadable)
        ]
        self._seed, self._batch, self._steps = seed, batch, steps

    def single_pass(self, batch: int, label: str) -> Iterator[Batch]:
        """The training split once, in global batches of `batch`, with progress."""
        source = self.splits["data"]
        batches = self.dataset.single_pass(source, batch, label, reduced=True)
        return self.unreadable[0].count(batches)

    def batches(self, start: int) -> Iterator[Batch]:
        """The batches of step `start` + 1 and all later ones."""
        first, second = self._sources()
        most = self.dataset.max_unreadable
        if first is not self.splits["data"]:  # a half, whose images have other indices
            self.unreadable = [UnreadableCounter(first, most)]
        if second is not None:
            self.unreadable.append(UnreadableCounter(second, most, second=True))
        batches = self._training(self.dataset, start, self._steps)
        for counter in self.unreadable:
            batches = counter.count(batches)
        return batches

    def batch_of(self, step: int) -> Batch:
        """The batch of one step, read without worker processes and cache."""
        dataset = dataclasses.replace(self.dataset, workers=0, cache="")
        return next(self._training(dataset, step - 1, step))

    def _sources(self) -> tuple[Source, Source | None]:
        splits = self.splits["data"], self.splits.get("data.other")
        return self.dataset.training_sources(*splits)

    def _training(self, dataset: ImageDataset, start: int, steps: int):
        return dataset.training(
            *self._sources(),
            seed=self._seed,
            batch=self._batch,
            start=start,
            steps=steps,
        )
