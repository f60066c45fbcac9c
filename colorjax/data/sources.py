"""Encoded images at random access: `EncodedImage`, the protocols `Source` and `Split`,
and sources made of others, `Subset` and `Concat`.

`data.folder` and `data.tfds` have the splits of data sets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from colorjax.data.things import Thing
from colorjax.errors import UserError


@dataclass(frozen=True)
class EncodedImage:
    """An image file, its class, its version, its captions, and the things in it.

    `read` returns the bytes, which are `data`. The class is -1 where it is unknown.
    The `version` changes whenever the bytes change, and no other file has it; it is ""
    where only the bytes themselves could tell.
    """

    read: Callable[[], bytes]
    label: int = -1
    version: str = ""
    captions: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()

    @property
    def data(self) -> bytes:
        """The bytes of the file. Raises `UserError` where they cannot be read."""
        return self.read()


@runtime_checkable
class Source(Protocol):
    """Encoded images at random access.

    Messages call an image by its `name`. Lists call it by its `key`, which does not
    depend on where the data set is stored.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> EncodedImage:
        """Raises `UserError` where the image cannot be read; its `data` may, too."""
        ...

    def name(self, index: int) -> str: ...

    def key(self, index: int) -> str: ...

    @property
    def classes(self) -> Sequence[str]:
        """The name of each class; none where the classes have no names."""
        ...


@runtime_checkable
class Split(Source, Protocol):
    """A source that a resumed run can restore.

    The order in which training draws images depends on their places in the source, so
    a run keeps the manifest.
    """

    def manifest(self) -> list[str]:
        """What identifies the images and their places."""
        ...

    def restore_manifest(self, manifest: Sequence[str]) -> str:
        """Restore the images of an earlier `manifest`.

        Returns what has changed since, as one line, or "". Raises `UserError` where the
        images cannot be restored.
        """
        ...


class Subset:
    """The images of a source at `indices`; a `Split`, whatever the source is."""

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

    @property
    def classes(self) -> Sequence[str]:
        return self.source.classes

    def manifest(self) -> list[str]:
        """The keys of the images."""
        return [self.key(index) for index in range(len(self))]

    def restore_manifest(self, manifest: Sequence[str]) -> str:
        """Raises `UserError` where the images are not those of `manifest`."""
        if list(manifest) != self.manifest():
            raise UserError(
                f"data.list gives {len(self)} images, not the {len(manifest)} that the "
                "run began with: give the same list and files, or another --workdir"
            )
        return ""


class Concat:
    """The images of several sources, one source after the other."""

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

    @property
    def classes(self) -> Sequence[str]:
        return ()  # each source may have others


def halves(source: Source) -> tuple[Subset, Subset]:
    """The images at even and at odd places, two halves that share none.

    Neighbors in a source are often of one class or one camera, and both halves should
    have some of each. Raises `UserError` where there are fewer than two images.
    """
    if len(source) < 2:
        raise UserError("data.halves: one image cannot be divided")
    first, second = (range(start, len(source), 2) for start in (0, 1))
    return Subset(source, first), Subset(source, second)
