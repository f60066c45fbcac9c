"""Images that cannot be read: `UnreadableCounter`."""

from collections.abc import Iterator

import numpy as np

from colorjax.data.sources import Source
from colorjax.errors import UserError, counted


class UnreadableCounter:
    """Counts the images of a source that could not be read; too many end the run.

    `indices` holds their places in the source. As a string it names the first ten.
    """

    def __init__(self, source: Source, most: float, second: bool = False):
        """`most` is the largest share of the source that may be unreadable. With
        `second` the source is the second set, which batches hold as "other"."""
        self.source, self.most = source, most
        self.keys = ("other_index", "other_mask") if second else ("index", "mask")
        self.indices: set[int] = set()

    def count(
        self, batches: Iterator[dict[str, np.ndarray]]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Pass the batches on and count. Raises `UserError` above the share `most`."""
        for batch in batches:
            index, mask = (batch[key] for key in self.keys)
            index = index[(mask == 0) & (index >= 0)]
            self.indices.update(index.tolist())
            if len(self.indices) > self.most * len(self.source):
                raise UserError(
                    f"{self} of {len(self.source)}: more than data.max_unreadable = "
                    f"{self.most:.1%}; repair or remove them, or raise it"
                )
            yield batch

    def __str__(self) -> str:
        names = [self.source.name(i) for i in sorted(self.indices)[:10]]
        more = len(self.indices) - len(names)
        listed = ", ".join(names) + (f" and {more} more" if more else "")
        return f"{counted(len(self.indices), 'unreadable image')} ({listed})"
