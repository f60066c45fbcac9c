"""The value of `--hints`: a file, or a folder that has files for several pictures."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from colorjax import hints
from colorjax.errors import UserError
from colorjax.files import files_below
from colorjax.hints import Guide

HINTS, STROKES = ".hints.json", ".png"


class HintFiles:
    """The files of hints for the pictures of a command.

    Of a folder, a picture NAME.EXT gets the hints of NAME.EXT.hints.json,
    NAME.hints.json, NAME.EXT.png or NAME.png, the first that exists. A file in a folder
    of this folder is for pictures in a folder of that name only. Raises `UserError` if
    `path` is a file that cannot be used.
    """

    def __init__(self, path: str):
        self.path = Path(path)
        self.is_folder = self.path.is_dir()
        self._guide = None if self.is_folder else hints.load(path)
        self._files = dict(_by_picture(self.path)) if self.is_folder else {}

    def file(self, picture: Path | None) -> Path | None:
        """The file with the hints for a picture; standard input is None."""
        if not self.is_folder:
            return self.path
        parts = picture.absolute().parts if picture else ()
        for start in range(len(parts)):
            for name in (parts[-1], Path(parts[-1]).stem) if parts else ():
                file = self._files.get((*parts[start:-1], name))
                if file is not None and file.absolute() != Path(*parts):
                    return file
        return None

    def load(self, picture: Path | None, size: tuple[int, int]) -> Guide | None:
        """The hints for a picture of `size` = (height, width), if there are any.

        Raises `UserError` if the file cannot be used, or has strokes of another size.
        """
        file = self.file(picture)
        if file is None:
            return None
        guide = hints.load(file) if self._guide is None else self._guide
        try:
            guide.check_size(size)
        except UserError as error:
            raise UserError(f"{file}: {error}") from error
        return guide

    def without_picture(self, pictures: Iterable[Path | None]) -> list[Path]:
        """The files of the folder that are for none of the pictures, and no picture."""
        pictures = list(pictures)
        used = {self.file(picture) for picture in pictures}
        inputs = {picture.resolve() for picture in pictures if picture is not None}
        files = sorted(set(self._files.values()) - used)
        return [file for file in files if file.resolve() not in inputs]


def _by_picture(folder: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The files of hints below a folder, each with the path of its picture as parts.

    The path has no suffix if the name of the file has none for it. Strokes come first,
    so that of two files for one picture a mapping keeps the JSON file.
    """
    for suffix in (STROKES, HINTS):
        for name in files_below(folder, (suffix,)):
            path = Path(name[: -len(suffix)])
            yield path.parts, folder / name
