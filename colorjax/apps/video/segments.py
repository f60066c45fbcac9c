"""A film in the making, kept so that a killed command goes on: `Parts`.

Beside the film to come a hidden folder holds the segments that are finished and, for
each, what the next one is made from. It is gone when the film is there.
"""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from colorjax import files
from colorjax.errors import UserError

JOB = "job.json"


class Parts:
    """The folder of the parts of `target`, made by the command that `job` describes.

    Parts of another job are thrown away. Raises `UserError` where there can be no such
    folder.
    """

    def __init__(self, target: Path, job: dict[str, Any]):
        self.folder = target.with_name(f".{target.name}.parts")
        try:
            if self.folder.exists() and files.read_json(self.folder / JOB) != job:
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{target}: cannot be written ({reason})") from error
        files.write_json(self.folder / JOB, job)

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return self.folder / f"{number:05d}.nut"

    def finished(self) -> tuple[int, dict[str, np.ndarray]]:
        """How many segments are finished, and what was kept with the last of them."""
        number = 0
        while self._kept(number).exists():
            number += 1
        if not number:
            return 0, {}
        with np.load(self._kept(number - 1)) as kept:
            return number, dict(kept)

    def keep(self, number: int, arrays: dict[str, np.ndarray]) -> None:
        """Note that a segment is finished, with what the next one is made from."""
        data = io.BytesIO()
        np.savez(data, **arrays)
        files.write_bytes(self._kept(number), data.getvalue())
        if number:
            self._kept(number - 1).write_bytes(b"")  # only the last is ever read

    def remove(self) -> None:
        """Throw all parts away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kept(self, number):
        return self.folder / f"{number:05d}.npz"
