"""From examples to the batches of one process: `iterate_batches`."""

from collections.abc import Iterator

import grain
import jax
import numpy as np
from grain.experimental import ThreadPrefetchIterDataset

from colorjax.data import workers

Batch = dict[str, np.ndarray]


def iterate_batches(
    examples: grain.MapDataset,
    *,
    batch: int,
    num_workers: int,
    start: int = 0,
) -> Iterator[Batch]:
    """This process's part of each global batch, from the batch `start` on.

    `batch`, the size of a global batch, is a multiple of the number of processes.
    `num_workers` processes make the examples, or threads of this one if it is 0.
    """
    part = batch // jax.process_count()
    block = _ProcessBlock(examples, batch, part)[start * part :]
    threads = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    batches = block.batch(part).to_iter_dataset(threads)
    if num_workers:
        options = grain.MultiprocessingOptions(num_workers=num_workers)
        # A batch lies in memory that its worker process frees, hence the copy.
        batches = batches.mp_prefetch(options, workers.exit_with_parent).map(_copy)
    # A thread of its own prefetches, so that the training loop need not wait.
    iterator = iter(ThreadPrefetchIterDataset(batches, prefetch_buffer_size=2))
    try:
        with workers.report_killed_workers():
            yield from iterator
    finally:
        iterator.close()  # ends its threads and processes


class _ProcessBlock(grain.MapDataset):
    """The contiguous block of each global batch that one process makes.

    With a stride instead of a block, the order of the global batch, and so the
    randomness of each example on the device, would depend on the number of processes.
    """

    def __init__(self, examples: grain.MapDataset, batch: int, part: int):
        super().__init__(examples)
        self.batch_size, self.part = batch, part
        self.first = jax.process_index() * part

    def __len__(self) -> int:
        return len(self._parent) // self.batch_size * self.part

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.slice(index)
        step, place = divmod(index, self.part)
        return self._parent[step * self.batch_size + self.first + place]


def _copy(batch: Batch) -> Batch:
    return {key: np.array(value) for key, value in batch.items()}
