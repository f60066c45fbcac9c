"""Images for training and evaluation: `ImageDataset`, the `data` section of a config.

A source (a TFDS data set or a folder) gives encoded images at random access. Grain
shuffles, decodes, crops and batches them. `ImageDataset.training` is a pure function
of (seed, step): it starts at any step. The global batch does not depend on the number
of processes; each process makes its own contiguous block of it.
`ImageDataset.single_pass` goes through a split once.

A batch is a dict of NumPy arrays:

- "image" uint8 [b h w 3];
- "mask" float32 [b]: 0 for padding and for unreadable images, whose pixels are 0;
- "index" int32 [b]: the place of the image in its source, -1 for padding;
- "label" int32 [b]: the class of the image, -1 where it is unknown;
- with captions, in training "text" [b k t]: their tokens (`text.encoders`);
- with things, in training "box" float32 [b 4]: that of the largest (`data.things`);
- with a second source "other" uint8 [b h w 3], and in training its "other_mask" and
  "other_index".
"""

import dataclasses
import functools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grain
import numpy as np
from grain.experimental import ZipMapDataset
from jaxtyping import UInt8

from colorjax import files
from colorjax.data.batches import Batch, iterate_batches
from colorjax.data.cache import ImageCache
from colorjax.data.folder import Folder, resolve
from colorjax.data.lists import listed
from colorjax.data.reduced import Reduced
from colorjax.data.sources import Source, Split, halves
from colorjax.data.tfds import TFDS
from colorjax.data.transforms import evaluation_example, join_example, training_example
from colorjax.data.words import Words
from colorjax.errors import UserError
from colorjax.progress import tracked

LARGEST = 8192  # pixels: the largest allowed data.resize


@dataclass(frozen=True)
class ImageDataset:
    """Where images come from and how they become batches.

    Give either `name`, a TFDS data set in `data_dir` or else $TFDS_DATA_DIR, or `root`,
    a folder. The root package://NAME/PATH is a folder of an installed Python package.

    `resize` and `crop` are in pixels. Images are resized to a short side of `resize`.
    Training enlarges them by a random factor up to `zoom`, takes random square crops of
    side `crop` and mirrors half of them. Evaluation takes the center square.

    A folder holds out about a tenth of its images by a `hash` of the path, or every
    tenth in `sorted` order. `list` is a file that names the images to use, as `colorjax
    doctor --fix` writes it; it does not change which images are held out. At most
    `max_unmatched` of its lines may name no image. `workers` processes decode (0:
    threads of this process). The run ends when more than the share `max_unreadable` of
    its images cannot be read.

    The local folder `cache` keeps the large images of a folder, reduced to what
    training needs, in at most `cache_limit` gigabytes. It changes no image.

    Methods that learn without pairs get the lightness of a second set, drawn
    independently. It is the whole training split of the data set `other_name` or of the
    folder `other_root`. With `halves` it is one half of the training split, and the
    other half gives the colors.

    `captions` and `things` are the features of a TFDS data set with captions, which
    `text_encoder` encodes for methods that learn from them, and with boxes.

    Raises `UserError` where values contradict each other or are out of range.
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
    max_unmatched: int = 0
    cache: str = ""
    cache_limit: float = 10.0
    halves: bool = False
    other_name: str | None = None
    other_root: str | None = None
    captions: str = ""
    things: str = ""
    text_encoder: Literal["use", "minilm"] = "use"

    def __post_init__(self):
        one = "data: give either data.name (a TFDS data set) or data.root (a folder)"
        others = "data: give one of data.halves, data.other_name and data.other_root"
        crop, resize = f"data.crop {self.crop}", f"data.resize {self.resize}"
        multiple = "must be a positive multiple of 8, the stride of the networks"
        captions = "data.captions and data.things: only TFDS data sets have them"
        local = f"data.cache {self.cache}: give a folder on a local disk"
        checks = (
            (bool(self.name) == bool(self.root), one),
            (bool(self.other_name) + bool(self.other_root) + self.halves > 1, others),
            (self.crop > self.resize, f"{crop} is larger than {resize}"),
            (self.crop < 8 or self.crop % 8, f"{crop} {multiple}"),
            (self.resize < 8 or self.resize % 8, f"{resize} {multiple}"),
            (self.resize > LARGEST, f"{resize} is more than {LARGEST}"),
            ((self.captions or self.things) and not self.name, captions),
            (self.zoom < 1, f"data.zoom {self.zoom} is less than 1"),
            ("://" in self.cache, local),
        )
        for is_wrong, message in checks:
            if is_wrong:
                raise UserError(message)

    def source(self, split: str) -> Split:
        """Open a split. Raises `UserError` where there is none, or it has no image."""
        if self.name:
            data_dir = self.data_dir or os.environ.get("TFDS_DATA_DIR")
            source = TFDS(self.name, split, data_dir, self.captions, self.things)
        else:
            assert self.root  # one of name and root is given
            source = Folder(resolve(self.root), split, self.holdout)
        if not len(source):
            raise UserError(f"split '{split}' of {self.name or self.root} is empty")
        most = self.max_unmatched
        return listed(source, self.list, most) if self.list else source

    @property
    def image_cache(self) -> ImageCache | None:
        """The cache of reduced images, if there is one."""
        if not self.cache:
            return None
        return ImageCache(Path(files.expand(self.cache)), int(1e9 * self.cache_limit))

    @property
    def reduced(self) -> Reduced:
        """How training reads images: as large as its largest crop needs."""
        return Reduced(round(self.resize * self.zoom), self.image_cache)

    @property
    def unpaired(self) -> bool:
        """Whether there is a second set of images."""
        return bool(self.halves or self.other_name or self.other_root)

    @property
    def words(self) -> Words:
        """What training examples have for methods that learn from text."""
        return Words(self.text_encoder if self.captions else "", bool(self.things))

    def other_source(self) -> Split | None:
        """Open the other data set, or return None where the config names none."""
        if not (self.other_name or self.other_root):
            return None
        none = dict(other_name=None, other_root=None, list=None, captions="", things="")
        names = dict(name=self.other_name, root=self.other_root)
        return dataclasses.replace(self, **names, **none).source("train")

    def training_sources(
        self, source: Source, other: Source | None
    ) -> tuple[Source, Source | None]:
        """The training images and those of the second set, or None without one.

        `source` is the training split and `other` the `other_source`. With `halves`,
        the two halves of `source`.
        """
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
    ) -> Iterator[Batch]:
        """This process's part of the global batches of steps `start` + 1 to `steps`.

        `batch` is the size of a global batch. With `others`, each image comes with
        an image of that source, drawn independently.
        """

        def shuffled(source, seed):
            options = self.reduced, self.resize, self.crop, self.zoom, self.mirror
            example = functools.partial(training_example, source, *options, self.words)
            examples = (
                grain.MapDataset.range(len(source))
                .seed(seed)
                .shuffle()
                .repeat(steps * batch // len(source) + 1)
                .random_map(example)
            )
            return examples[: steps * batch]  # both sets get the same length

        examples = shuffled(source, seed)
        if others is not None:
            own_seed = int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
            second = shuffled(others, own_seed)
            pairs: Any = ZipMapDataset((examples, second))  # its type says no pairs
            examples = pairs.map(join_example)
        return iterate_batches(
            examples, batch=batch, num_workers=self.workers, start=start
        )

    def single_pass(
        self,
        source: Source,
        batch: int,
        label: str = "images",
        others: Source | None = None,
        reduced: bool = False,
    ) -> Iterator[Batch]:
        """This process's part of every image once, padded to whole batches.

        `batch` is the size of a global batch; `label` names the work in its progress
        line. With `others`, each image comes with one from there, which depends on its
        index alone. With `reduced`, images are read as in training.
        """
        reader = self.reduced if reduced else None
        count = math.ceil(len(source) / batch)
        examples = grain.MapDataset.range(count * batch).map(
            functools.partial(evaluation_example, source, self.resize, others, reader)
        )
        batches = iterate_batches(examples, batch=batch, num_workers=self.workers)
        return tracked(batches, label, count)

    def image(self, source: Source, index: int) -> UInt8[np.ndarray, "side side 3"]:
        """One image as evaluation sees it: its center square of side `resize`."""
        return self.batch_of(source, [index])["image"][0]

    def batch_of(self, source: Source, indices: Sequence[int]) -> Batch:
        """A batch of the images at `indices`, as `single_pass` makes them."""
        example = functools.partial(evaluation_example, source, self.resize, None, None)
        examples = [example(index) for index in indices]
        return {key: np.stack([e[key] for e in examples]) for key in examples[0]}
