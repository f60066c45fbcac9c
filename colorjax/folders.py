"""What is below a folder, and stays below it: `files_below`."""

import os
from collections.abc import Iterator

from etils import epath

from colorjax.errors import UserError


def files_below(root: epath.PathLike, suffixes: tuple[str, ...]) -> Iterator[str]:
    """The paths, below a folder, of the files in it with a suffix, in no order.

    None that is hidden, no pipe or device, none behind a link that leads out of the
    folder; links to folders are not followed at all, so that none is seen twice.
    """
    if "://" in str(root):
        return _stored_files(epath.Path(root), suffixes)
    return _local_files(os.fspath(root), suffixes)


def _local_files(root: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    top, folders = os.path.realpath(root), [""]
    while folders:  # a recursion might end before a tree of folders does
        prefix = folders.pop()
        try:
            entries = list(os.scandir(os.path.join(root, prefix)))
        except OSError as error:
            raise UserError(f"{root}/{prefix}: {error.strerror}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{prefix}{entry.name}/")
            elif entry.name.lower().endswith(suffixes) and (
                entry.is_file(follow_symlinks=False)
                or (entry.is_symlink() and _leads_inside(entry.path, top))
            ):
                yield prefix + entry.name


def _leads_inside(link: str, top: str) -> bool:
    """Whether a link leads to a file below a folder, and not in circles."""
    target = os.path.realpath(link)
    return os.path.commonpath((target, top)) == top and os.path.isfile(target)


def _stored_files(
    folder: epath.Path, suffixes: tuple[str, ...], prefix: str = ""
) -> Iterator[str]:
    """The same of an object store, which knows no links and no pipes."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _stored_files(entry, suffixes, f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(suffixes):
            yield prefix + entry.name
