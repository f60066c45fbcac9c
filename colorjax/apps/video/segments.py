"""The finished segments of an unfinished video: `Segments`.

A hidden folder beside the target holds the encoded segments. With the last of them it
holds the state that the next segment starts from, so that an interrupted command
resumes behind it. The command removes the folder when the target is complete.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from colorjax import files
from colorjax.errors import UserError

JOB = "job.json"


class Segments:
    """The folder of the segments of `target`.

    `job` describes all that the segments depend on; segments of a different job are
    deleted. Raises `UserError` if the folder cannot be created.
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

    def path(self, number: int) -> Path:
        """The file of a segment."""
        return self.folder / f"{number:05d}.nut"

    def finished(self) -> tuple[int, dict[str, np.ndarray]]:
        """The number of finished segments, and the state saved with the last."""
        number = 0
        while self._state(number).exists():
            number += 1
        if not number:
            return 0, {}
        with np.load(self._state(number - 1)) as state:
            return number, dict(state)

    def finish(self, number: int, state: dict[str, np.ndarray]) -> None:
        """Mark a segment as finished, with the state that the next one needs."""
        files.write_arrays(self._state(number), state)
        if number:
            self._state(number - 1).write_bytes(b"")  # only the last is ever read

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _state(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npz"
