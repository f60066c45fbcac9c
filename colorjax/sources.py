"""Encoded pictures at random access: `Source`, its kinds `Folder` and `TFDS`, and parts
of one: `Chosen`, `halves`."""

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from etils import epath

from colorjax import images
from colorjax.errors import UserError


class Encoded(NamedTuple):
    """The bytes of a picture file, and its class (-1 where it is not known)."""

    data: bytes
    label: int = -1


@runtime_checkable
class Source(Protocol):
    """Encoded pictures at random access."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Encoded: ...

    def name(self, index: int) -> str: ...


class Folder:
    """The picture files below a folder, in sorted order, every tenth one held out.

    Where all of them are in subfolders, a picture's class is the place of its topmost
    subfolder among those, sorted.
    """

    def __init__(self, root: epath.Path, split: str, holdout: str):
        if not root.is_dir():
            raise UserError(f"data.root {root}: no such folder")
        files = sorted(_picture_files(root))
        if not files:
            raise UserError(
                f"{root}: no pictures found; expected files ending in "
                + ", ".join(images.SUFFIXES)
            )
        if holdout == "hash":  # stays put when pictures are added
            digests = [hashlib.sha256(os.fsencode(f)).digest() for f in files]
            held_out = [int.from_bytes(d[:8]) % 10 == 0 for d in digests]
        else:
            held_out = [i % 10 == 0 for i in range(len(files))]
        wanted = {"train": (False,), "test": (True,), "all": (False, True)}
        if split not in wanted:
            raise UserError(f"split '{split}': a folder has 'train', 'test' and 'all'")
        classes = sorted({f.partition("/")[0] for f in files if "/" in f})
        every = all("/" in f for f in files)
        self.classes = {name: i for i, name in enumerate(classes)} if every else {}
        self.root = root
        self.files = [
            f for f, out in zip(files, held_out, strict=True) if out in wanted[split]
        ]
        if not self.files:
            raise UserError(
                f"{root}: its split '{split}' is empty; add pictures, or set "
                "data.holdout to 'sorted'"
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Encoded:
        file = self.files[index]
        label = self.classes.get(file.partition("/")[0], -1)
        return Encoded((self.root / file).read_bytes(), label)

    def name(self, index: int) -> str:
        return str(self.root / self.files[index])


def _picture_files(folder: epath.Path, prefix: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _picture_files(entry, f"{prefix}{entry.name}/")
        elif entry.suffix.lower() in images.SUFFIXES:
            yield prefix + entry.name


class TFDS:
    """A split of a prepared TFDS data set in ArrayRecord form.

    It has the feature "image"; where it has "label" too, that is the class.
    """

    def __init__(self, name: str, split: str, data_dir: str | None):
        import tensorflow_datasets as tfds  # slow to import, and a folder needs none

        prepare = (
            f"pip install 'colorjax[prepare]' && tfds build {name} "
            "--file_format=array_record"
        )
        if data_dir:
            prepare += f" --data_dir={data_dir}"
        try:
            builder = tfds.builder(name, data_dir=data_dir)
        except (tfds.core.DatasetNotFoundError, ImportError, ValueError):
            builder = None
        except AssertionError:  # this is how TFDS says that it has another version
            builder = None
        if builder is None or not builder.is_prepared():
            where = data_dir or "TFDS_DATA_DIR or ~/tensorflow_datasets"
            raise UserError(
                f"data.name '{name}': not prepared in {where}; set data.data_dir, or "
                f"prepare it: {prepare}"
            )
        if builder.info.file_format.value != "array_record":
            raise UserError(
                f"data.name '{name}': stored as {builder.info.file_format.value}, "
                f"which has no random access; prepare it anew: {prepare}"
            )
        if "image" not in builder.info.features:
            has = ", ".join(builder.info.features)
            raise UserError(f"data.name '{name}': has no feature 'image', only {has}")
        skip = {"image": tfds.decode.SkipDecoding()}
        self.label = f"{name} {split}"
        try:
            self.rows = ()
            if builder.info.splits[split].num_examples:  # TFDS fails to open none
                self.rows = builder.as_data_source(split, decoders=skip)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"data.name '{name}', split '{split}': {reason}") from error

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Encoded:
        row = self.rows[index]
        return Encoded(row["image"], int(row.get("label", -1)))

    def name(self, index: int) -> str:
        return f"{self.label} #{index}"


class Chosen:
    """Some of the pictures of another source."""

    def __init__(self, source: Source, indices: Sequence[int]):
        self.source, self.indices = source, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Encoded:
        return self.source[self.indices[index]]

    def name(self, index: int) -> str:
        return self.source.name(self.indices[index])


def halves(source: Source) -> tuple[Chosen, Chosen]:
    """Two halves of a source that share no picture.

    Every second one: what lies side by side is often of one class or one camera, and
    both halves should have some of it. Raises `UserError` where there are not two.
    """
    if len(source) < 2:
        raise UserError("data.halves: one picture cannot be divided")
    first, second = (range(start, len(source), 2) for start in (0, 1))
    return Chosen(source, first), Chosen(source, second)


def resolve(root: str) -> epath.Path:
    """The folder that `root` names, package://NAME/PATH being that of a package."""
    if not root.startswith("package://"):
        return epath.Path(root)
    package, _, path = root.removeprefix("package://").partition("/")
    try:
        folder = importlib.util.find_spec(package).submodule_search_locations[0]
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        raise UserError(
            f"data.root {root}: no package '{package}' is installed; the pictures "
            "of the quick config come with: pip install 'colorjax[demo]'"
        ) from error
    return epath.Path(folder) / path
