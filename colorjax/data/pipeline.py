"""Pictures for training and evaluation: `ImageDataset`, the `data` section of a config.

A source (a TFDS data set by name, or a folder) gives encoded pictures at random
access; Grain shuffles, decodes, crops and batches them. `ImageDataset.training` is a
pure function of (seed, step): it starts at any step, and gives the same global batch
for any number of hosts, of which each process makes its own contiguous block.
`ImageDataset.single_pass` goes through a split once.

A batch is a dict of numpy arrays: "image" uint8 [b h w 3], "mask" float32 [b] (0 for
padding and for pictures that could not be read, whose pixels are 0), "index" int32 [b]
(the place of the picture in its source; -1 for padding), "label" int32 [b] (its class;
-1 where it is not known). With a second source there is "other" uint8 [b h w 3], in
training with its "other_mask" and "other_index".
"""

import dataclasses
import functools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import grain
import numpy as np
from grain.experimental import ThreadPrefetchIterDataset, ZipMapDataset
from jaxtyping import UInt8

from colorjax import images
from colorjax.data import workers
from colorjax.data.sources import Folder, Source, Split, halves, listed, resolve
from colorjax.data.tfds import TFDS
from colorjax.errors import UserError

Batch = dict[str, np.ndarray]

LARGEST = 8192  # side of what a net is shown


@dataclass(frozen=True)
class ImageDataset:
    """Where pictures come from and how they become batches.

    Either `name` (TFDS, looked for in `data_dir`, then $TFDS_DATA_DIR) or `root` (a
    folder, or package://NAME/PATH, the files of an installed Python package) is given.
    Images are resized to a short side of `resize`; training enlarges them by a random
    factor up to `zoom`, takes random square crops of side `crop` and mirrors half of
    them; evaluation takes the centre square. A folder holds out every tenth picture, by
    a `hash` of its path or in `sorted` order. `workers` processes decode (0: threads of
    this one). More than a share of `max_unreadable` pictures that cannot be read ends
    the run. `list` is a file that names the pictures to use, as `colorjax doctor --fix`
    writes it; which are held out does not depend on it.

    Methods that learn without pairs see the grey of a second set, drawn independently:
    that of another data set, `other_name`, or folder, `other_root` (its whole training
    split), or, with `halves`, one half of the training split, of which the other
    half gives the colours.
    """

    name: str | None = None
    root: str | None = None
    data_dir: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    holdout: Literal["hash", "sorted"] = "hash"
    resize: int = 256
    crop: int = 176
    zoom: float = 1.0
    mirror: bool = True
    workers: int = 0
    max_unreadable: float = 0.1
    list: str | None = None
    halves: bool = False
    other_name: str | None = None
    other_root: str | None = None

    def __post_init__(self):
        if bool(self.name) == bool(self.root):
            raise UserError(
                "data: give either data.name (a TFDS data set) or data.root (a folder)"
            )
        if bool(self.other_name) + bool(self.other_root) + self.halves > 1:
            raise UserError(
                "data: give one of data.halves, data.other_name and data.other_root"
            )
        if self.crop > self.resize:
            raise UserError(
                f"data.crop {self.crop} is larger than data.resize {self.resize}"
            )
        for key in ("crop", "resize"):
            if getattr(self, key) < 8 or getattr(self, key) % 8:
                raise UserError(
                    f"data.{key} {getattr(self, key)} must be a positive multiple of "
                    "8, the stride of the networks"
                )
        if self.resize > LARGEST:
            raise UserError(f"data.resize {self.resize} is more than {LARGEST}")
        if self.zoom < 1:
            raise UserError(f"data.zoom {self.zoom} is less than 1")
        if self.holdout not in ("hash", "sorted"):
            raise UserError(f"data.holdout '{self.holdout}': use 'hash' or 'sorted'")

    def source(self, split: str) -> Split:
        """Open a split; `UserError` where there is none, or no picture in it."""
        if self.name:
            data_dir = self.data_dir or os.environ.get("TFDS_DATA_DIR")
            source = TFDS(self.name, split, data_dir)
        else:
            source = Folder(resolve(self.root), split, self.holdout)
        if not len(source):
            raise UserError(f"split '{split}' of {self.name or self.root} is empty")
        return listed(source, self.list) if self.list else source

    @property
    def unpaired(self) -> bool:
        """Whether there is a second set of pictures to learn from."""
        return bool(self.halves or self.other_name or self.other_root)

    def other_source(self) -> Split | None:
        """Open the other data set, if there is one."""
        if not (self.other_name or self.other_root):
            return None
        other = dataclasses.replace(
            self,
            name=self.other_name,
            root=self.other_root,
            other_name=None,
            other_root=None,
            list=None,
        )
        return other.source("train")

    def training_sources(
        self, source: Source, other: Source | None
    ) -> tuple[Source, Source | None]:
        """The pictures to learn from, of the training split `source`, and those of the
        second set, if there is one: half of them, or the `other_source`."""
        return halves(source) if self.halves else (source, other)

    def training(
        self,
        source: Source,
        others: Source | None = None,
        *,
        seed: int,
        batch: int,
        start: int,
        steps: int,
        process: int = 0,
        processes: int = 1,
    ) -> Iterator[Batch]:
        """This process's part of the global batches of steps `start` to `steps`.

        With `others`, each picture comes with one from there, drawn independently.
        """

        def drawn(source, seed):
            examples = (
                grain.MapDataset.range(len(source))
                .seed(seed)
                .shuffle()
                .repeat(steps * batch // len(source) + 1)
                .random_map(functools.partial(_training_example, source, self))
            )
            return examples[: steps * batch]  # two sets are as long as each other

        examples = drawn(source, seed)
        if others is not None:
            own_seed = int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
            second = drawn(others, own_seed)
            examples = ZipMapDataset((examples, second)).map(_with_other)
        part = batch // processes
        block = _ProcessBlock(examples, batch, part, process)
        yield from self._iterate(block[start * part : steps * part], part)

    def single_pass(
        self,
        source: Source,
        *,
        batch: int,
        process: int = 0,
        processes: int = 1,
        others: Source | None = None,
    ) -> Iterator[Batch]:
        """This process's part of every picture once, padded to whole batches.

        With `others`, each comes with a picture drawn from there; its index decides.
        """
        padded = math.ceil(len(source) / batch) * batch
        examples = grain.MapDataset.range(padded).map(
            functools.partial(_evaluation_example, source, self, others)
        )
        part = batch // processes
        block = _ProcessBlock(examples, batch, part, process)
        yield from self._iterate(block, part)

    def picture(self, source: Source, index: int) -> UInt8[np.ndarray, "side side 3"]:
        """One picture as evaluation sees it: its centre square of side `resize`."""
        return self.chosen(source, [index])["image"][0]

    def chosen(self, source: Source, indices: Sequence[int]) -> Batch:
        """A batch of these pictures, as `single_pass` makes them."""
        examples = [_evaluation_example(source, self, None, i) for i in indices]
        return {key: np.stack([e[key] for e in examples]) for key in examples[0]}

    def _iterate(self, examples: grain.MapDataset, part: int) -> Iterator[Batch]:
        threads = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
        batches = examples.batch(part).to_iter_dataset(threads)
        if self.workers:
            options = grain.MultiprocessingOptions(num_workers=self.workers)
            # Copied out of memory that is shared with the workers and goes with them.
            batches = batches.mp_prefetch(options, workers.exit_with_parent).map(_copy)
        # A thread of its own fetches ahead, so that the loop only takes what is there.
        iterator = iter(ThreadPrefetchIterDataset(batches, prefetch_buffer_size=2))
        try:
            with workers.report_killed_workers():
                yield from iterator
        finally:
            iterator.close()  # ends its threads and processes


class _ProcessBlock(grain.MapDataset):
    """Of each global batch, the contiguous block that one process makes.

    A stride instead of a block would keep the set and change the order, and with it
    the randomness of each example on the device.
    """

    def __init__(self, examples: grain.MapDataset, batch: int, part: int, process: int):
        super().__init__(examples)
        self.batch_size, self.part, self.process = batch, part, process

    def __len__(self) -> int:
        return len(self._parent) // self.batch_size * self.part

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.slice(index)
        step, place = divmod(index, self.part)
        return self._parent[step * self.batch_size + self.process * self.part + place]


def _copy(batch: Batch) -> Batch:
    return {key: np.array(value) for key, value in batch.items()}


def _training_example(
    source: Source, pictures: ImageDataset, index: int, rng: np.random.Generator
) -> Batch:
    top, left, flip, zoom = rng.random(4)
    short = round(pictures.resize * pictures.zoom**zoom)
    mirror = pictures.mirror and bool(flip < 0.5)
    return _example(source, index, short, pictures.crop, (top, left), mirror)


def _with_other(pair: tuple[Batch, Batch]) -> Batch:
    example, other = pair
    return example | {
        "other": other["image"],
        "other_mask": other["mask"],
        "other_index": other["index"],
    }


def _evaluation_example(
    source: Source, pictures: ImageDataset, others: Source | None, index: int
) -> Batch:
    def centre(source, index):
        side = pictures.resize
        if index >= len(source):
            return _blank(side, -1)
        return _example(source, index, side, side, (0.5, 0.5), False)

    example = centre(source, index)
    if others is not None:
        drawn = int(np.random.default_rng(index).integers(len(others)))
        example["other"] = centre(others, drawn)["image"]
    return example


def _example(
    source: Source,
    index: int,
    short: int,
    side: int,
    corner: tuple[float, float],
    mirror: bool,
) -> Batch:
    """A square of `side` out of the picture with a short side of `short`."""
    try:
        encoded = source[index]
        picture = images.read(encoded.data, source.name(index))
    except (UserError, OSError):
        return _blank(side, index)
    size = images.short_size(picture, short)
    top, left = (int(c * (n - side + 1)) for c, n in zip(corner, size, strict=True))
    picture = images.resize(picture, size, (top, left, side, side))
    if mirror:
        picture = picture[:, ::-1]
    return {
        "image": np.ascontiguousarray(picture),
        "mask": np.float32(1),
        "index": np.int32(index),
        "label": np.int32(encoded.label),
    }


def _blank(side: int, index: int) -> Batch:
    return {
        "image": np.zeros((side, side, 3), np.uint8),
        "mask": np.float32(0),
        "index": np.int32(index),
        "label": np.int32(-1),
    }


class UnreadableCounter:
    """Counts the pictures of a source that could not be read; too many end the run."""

    def __init__(self, source: Source, most: float, second: bool = False):
        """`most` is the share of the source from which on the run is ended; `second`
        counts those of the second set, of which `source` is."""
        self.source, self.most = source, most
        self.keys = ("other_index", "other_mask") if second else ("index", "mask")
        self.indices: set[int] = set()

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Hand the batches on, keeping count. Raises `UserError` past the threshold."""
        for batch in batches:
            index, mask = (batch[key] for key in self.keys)
            index = index[(mask == 0) & (index >= 0)]
            self.indices.update(index.tolist())
            if len(self.indices) > self.most * len(self.source):
                raise UserError(
                    f"{self} of {len(self.source)}: more than data.max_unreadable = "
                    f"{self.most:.1%}; mend or remove them, or raise it"
                )
            yield batch

    def __str__(self) -> str:
        names = [self.source.name(i) for i in sorted(self.indices)[:10]]
        more = len(self.indices) - len(names)
        listed = ", ".join(names) + (f" and {more} more" if more else "")
        return f"{len(self.indices)} unreadable pictures ({listed})"
