"""Folders as sources of encoded images: `Folder`, `image_files`, `resolve`."""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence

from etils import epath

from colorjax import files, images
from colorjax.data.sources import EncodedImage
from colorjax.errors import UserError, counted, install_hint, printable
from colorjax.files import files_below


class Folder:
    """The image files below a folder, in sorted order.

    The split "test" is about a tenth of the files, "train" the others, "all" both.
    `holdout` is "hash" or "sorted" (see `ImageDataset`). If all files are in
    subfolders, the class of an image is the index of its topmost subfolder in their
    sorted list. The key is the path below the folder. Raises `UserError` where the
    split has no images.
    """

    def __init__(self, root: epath.Path, split: str, holdout: str):
        if not root.is_dir():
            raise UserError(f"data.root {root}: no such folder")
        files = sorted(image_files(root))
        if not files:
            raise UserError(
                f"{root}: no images found; expected files ending in "
                + ", ".join(images.SUFFIXES)
                + "; links that lead out of the folder are not followed"
            )
        if split not in ("train", "test", "all"):
            raise UserError(f"split '{split}': a folder has 'train', 'test' and 'all'")
        labelled = all("/" in f for f in files)
        self.classes = sorted({f.partition("/")[0] for f in files if labelled})
        self._labels = {name: i for i, name in enumerate(self.classes)}
        self.root, self.split, self.holdout = root, split, holdout
        self.all_files, self.files = files, self._files_of_split(files)
        if not self.files:
            raise UserError(
                f"{root}: its split '{split}' is empty; add images, or set "
                "data.holdout to 'sorted'"
            )

    def _files_of_split(self, files):
        if self.holdout == "hash":  # independent of the other files
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
        label = self._labels.get(file.partition("/")[0], -1)
        path = self.root / file
        read = functools.partial(images.load_bytes, path)
        return EncodedImage(read, label, _version(path))

    def name(self, index: int) -> str:
        return printable(str(self.root / self.files[index]))

    def key(self, index: int) -> str:
        return self.files[index]

    def locate(self, lines: Iterable[str]) -> list[int | None]:
        """The place of the image that each line names by its path: below the folder,
        absolute, or relative to the current directory. It is -1 for an image of another
        split, and None for no image."""
        places: dict[str, int] = dict.fromkeys(self.all_files, -1)
        places |= {file: i for i, file in enumerate(self.files)}
        top = f"{os.path.abspath(self.root)}/"
        located = []
        for line in lines:
            path = os.path.normpath(line.strip().replace("\\", "/"))
            below = os.path.abspath(path).removeprefix(top)
            names = (line, path, below)
            located.append(next((places[x] for x in names if x in places), None))
        return located

    def manifest(self) -> list[str]:
        """The keys of all images, those of the other splits included."""
        return self.all_files

    def restore_manifest(self, manifest: Sequence[str]) -> str:
        """Use the files of `manifest`; returns what has changed since.

        A file that is gone becomes an unreadable image, and a new file is left out. So
        all other files keep their places.
        """
        if any(name.startswith("/") or ".." in name.split("/") for name in manifest):
            raise UserError(f"pictures.json names files outside of {self.root}")
        gone = sorted(set(manifest) - set(self.all_files))
        new = len(set(self.all_files) - set(manifest))
        self.all_files, self.files = list(manifest), self._files_of_split(manifest)
        changes = []
        if gone:
            names = ", ".join(gone[:3]) + (", ..." if len(gone) > 3 else "")
            images = counted(len(gone), "image")
            changes.append(f"gone or unreadable now: {images} ({names})")
        if new:
            changes.append(f"left out: {counted(new, 'new image')}")
        return "; ".join(changes)


def _version(path: epath.Path) -> str:
    """The `EncodedImage.version` of a file; "" in a bucket.

    The system sets the time of the last change, and no program can set it back. So a
    file with new bytes has another version, even with its old size and date.
    """
    try:
        stat = os.stat(path)
    except OSError:  # there is no such file, or it is in a bucket; reading it tells
        return ""
    times = f"{stat.st_mtime_ns} {stat.st_ctime_ns}"
    return f"{os.path.abspath(path)}\n{stat.st_size} {times}"


def image_files(root: epath.PathLike) -> Iterator[str]:
    """The paths of the image files below a folder, as `files.files_below` lists
    them."""
    return files_below(root, images.SUFFIXES)


def resolve(root: str) -> epath.Path:
    """The folder that `root` names; package://NAME/PATH is one inside a package.

    Raises `UserError` where no such package is installed.
    """
    if not root.startswith("package://"):
        return files.expand(root)
    package, _, path = root.removeprefix("package://").partition("/")
    try:  # find_spec imports the parent of a dotted name, so such a name is refused
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"data.root {root}: no package '{package}' is installed; the images of the "
            f"quick config come with the extra demo: {install_hint('demo')}"
        )
    return epath.Path(spec.submodule_search_locations[0]) / path
