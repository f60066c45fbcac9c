"""Encoded pictures at random access: `Source`; the splits that data sets have, `Folder`
and `TFDS`; and parts of one: `Subset`, `halves`."""

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from etils import epath

from colorjax import files, images
from colorjax.errors import UserError, install_hint, printable
from colorjax.files import files_below


class EncodedImage(NamedTuple):
    """The bytes of a picture file, and its class (-1 where it is not known)."""

    data: bytes
    label: int = -1


@runtime_checkable
class Source(Protocol):
    """Encoded pictures at random access.

    `name` is what messages call a picture; `key` is what lists call it, which does not
    depend on where the data are kept.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> EncodedImage:
        """Raises `UserError` or `OSError` where the picture cannot be read."""
        ...

    def name(self, index: int) -> str: ...

    def key(self, index: int) -> str: ...


@runtime_checkable
class Split(Source, Protocol):
    """A source that a run is resumed on: it can be had again as it was."""

    def manifest(self) -> list[str]:
        """What a run keeps, to have the same pictures when it is resumed."""
        ...

    def restore_manifest(self, listing: Sequence[str]) -> str:
        """Have the pictures of an earlier `listing`; what changed since, in a line, or
        "". Raises `UserError` where they cannot be had."""
        ...


class Folder:
    """The picture files below a folder, in sorted order, every tenth one held out.

    Where all of them are in subfolders, a picture's class is the place of its topmost
    subfolder among those, sorted. Its key is its path below the folder.
    """

    def __init__(self, root: epath.Path, split: str, holdout: str):
        if not root.is_dir():
            raise UserError(f"data.root {root}: no such folder")
        files = sorted(image_files(root))
        if not files:
            raise UserError(
                f"{root}: no pictures found; expected files ending in "
                + ", ".join(images.SUFFIXES)
                + "; links that lead out of the folder are not followed"
            )
        if split not in ("train", "test", "all"):
            raise UserError(f"split '{split}': a folder has 'train', 'test' and 'all'")
        classes = sorted({f.partition("/")[0] for f in files if "/" in f})
        every = all("/" in f for f in files)
        self.classes = {name: i for i, name in enumerate(classes)} if every else {}
        self.root, self.split, self.holdout = root, split, holdout
        self.every, self.files = files, self._of_split(files)
        if not self.files:
            raise UserError(
                f"{root}: its split '{split}' is empty; add pictures, or set "
                "data.holdout to 'sorted'"
            )

    def _of_split(self, files):
        if self.holdout == "hash":  # stays put when pictures are added
            digests = [hashlib.sha256(os.fsencode(f)).digest() for f in files]
            held_out = [int.from_bytes(d[:8]) % 10 == 0 for d in digests]
        else:
            held_out = [i % 10 == 0 for i in range(len(files))]
        wanted = {"train": (False,), "test": (True,), "all": (False, True)}[self.split]
        return [f for f, out in zip(files, held_out, strict=True) if out in wanted]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> EncodedImage:
        file = self.files[index]
        label = self.classes.get(file.partition("/")[0], -1)
        return EncodedImage(images.load_bytes(self.root / file), label)

    def name(self, index: int) -> str:
        return printable(str(self.root / self.files[index]))

    def key(self, index: int) -> str:
        return self.files[index]

    def manifest(self) -> list[str]:
        """The keys of all pictures, those of other splits too."""
        return self.every

    def restore_manifest(self, listing: Sequence[str]) -> str:
        """Have the pictures of another `listing`; what changed since.

        What is gone cannot be read, and what is new is left out: the others keep their
        places, and with them the order in which training draws them.
        """
        if any(name.startswith("/") or ".." in name.split("/") for name in listing):
            raise UserError(f"pictures.json names files outside of {self.root}")
        gone = sorted(set(listing) - set(self.every))
        new = len(set(self.every) - set(listing))
        self.every, self.files = list(listing), self._of_split(listing)
        told = []
        if gone:
            names = ", ".join(gone[:3]) + (", ..." if len(gone) > 3 else "")
            told.append(f"{len(gone)} pictures are gone, unreadable now ({names})")
        if new:
            told.append(f"{new} new pictures are left out")
        return "; ".join(told)


def image_files(root: epath.PathLike) -> Iterator[str]:
    """The paths of the picture files below a folder, as `folders.files_below` lists
    them."""
    return files_below(root, images.SUFFIXES)


class Subset:
    """Some of the pictures of another source; a `Split`, though of any source."""

    def __init__(self, source: Source, indices: Sequence[int]):
        self.source, self.indices = source, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> EncodedImage:
        return self.source[self.indices[index]]

    def name(self, index: int) -> str:
        return self.source.name(self.indices[index])

    def key(self, index: int) -> str:
        return self.source.key(self.indices[index])

    def manifest(self) -> list[str]:
        """The keys of the pictures."""
        return [self.key(index) for index in range(len(self))]

    def restore_manifest(self, listing: Sequence[str]) -> str:
        """Raises `UserError` where the pictures are others than those of `listing`."""
        if list(listing) != self.manifest():
            raise UserError(
                f"data.list gives {len(self)} pictures, others than the {len(listing)} "
                "that the run began with: give the same list and files, or another "
                "--workdir"
            )
        return ""


def halves(source: Source) -> tuple[Subset, Subset]:
    """Two halves of a source that share no picture.

    Every second one: what lies side by side is often of one class or one camera, and
    both halves should have some of it. Raises `UserError` where there are not two.
    """
    if len(source) < 2:
        raise UserError("data.halves: one picture cannot be divided")
    first, second = (range(start, len(source), 2) for start in (0, 1))
    return Subset(source, first), Subset(source, second)


def resolve(root: str) -> epath.Path:
    """The folder that `root` names, package://NAME/PATH being that of a package."""
    if not root.startswith("package://"):
        return epath.Path(root)
    package, _, path = root.removeprefix("package://").partition("/")
    try:
        if not package.isidentifier():  # to find a subpackage, its parent would be run
            raise ValueError(package)
        folder = importlib.util.find_spec(package).submodule_search_locations[0]
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        raise UserError(
            f"data.root {root}: no package '{package}' is installed; the pictures "
            f"of the quick config come with the extra demo: {install_hint('demo')}"
        ) from error
    return epath.Path(folder) / path


class Concat:
    """The pictures of several sources, one source after another."""

    def __init__(self, sources: Sequence[Source]):
        self.parts = [(source, i) for source in sources for i in range(len(source))]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> EncodedImage:
        source, place = self.parts[index]
        return source[place]

    def name(self, index: int) -> str:
        source, place = self.parts[index]
        return source.name(place)

    def key(self, index: int) -> str:
        source, place = self.parts[index]
        return source.key(place)


def write_list(path: epath.PathLike, keys: Iterable[str]) -> None:
    """Write a list of pictures, all of it or nothing."""
    files.write_bytes(path, b"".join(os.fsencode(f"{key}\n") for key in keys))


def listed(source: Source, path: epath.PathLike) -> Subset:
    """The pictures of a source that a list names, in the source's order.

    A list may name pictures of other splits too. Raises `UserError` where it names none
    of this one.
    """
    lines = os.fsdecode(files.read_bytes(path)).split("\n")
    wanted = set(lines)
    found = [i for i in range(len(source)) if source.key(i) in wanted]
    if not found:
        example, first = source.key(0), printable(next(filter(None, lines), "nothing"))
        raise UserError(
            f"data.list {path}: names no picture of this split, where the first is "
            f"'{printable(example)}'; the list begins with '{first[:200]}'"
        )
    return Subset(source, found)
