"""The values that the stages of the pipeline pass on."""

from pathlib import Path
from typing import NamedTuple

from colorjax import images
from colorjax.apps.colorize.jobs import Job
from colorjax.hints import Guide
from colorjax.inference.distribution import Distribution

EVERYWHERE = (
    "the places of the exemplar are not compared with those of the picture; its colors "
    "count for the whole picture"
)


class Encoded(NamedTuple):
    """The bytes of a picture file."""

    job: Job
    data: bytes


class Photograph(NamedTuple):
    """A page of a picture file, and its hints; most files have one page."""

    job: Job
    page: images.Page
    guide: Guide | None = None


class Predicted(NamedTuple):
    """A page of a picture file, its hints, and what was predicted for it.

    `distributions` are one for each sample where a sample is a prediction, else one.
    """

    job: Job
    page: images.Page
    guide: Guide | None
    distributions: list[Distribution]

    def notes(self) -> list[str]:
        """What the user should know of the page and of what was predicted for it."""
        exemplar = None if self.guide is None else self.guide.exemplar
        if exemplar is None or self.distributions[0].likeness is not None:
            return self.page.notes
        return [*self.page.notes, EVERYWHERE]


class Output(NamedTuple):
    """The content of one file: pages, a map of uncertainty, a distribution, or hints.

    `path` is None for standard output.
    """

    job: Job
    path: Path | None
    content: list[images.Page] | images.Picture | Distribution | Guide


class Written(NamedTuple):
    """A job whose files are all written; `notes` say what they do not keep."""

    job: Job
    notes: list[str]


class Failed(NamedTuple):
    """A job that failed, the message for the user, and the command's exit code."""

    job: Job
    message: str
    code: int = 1


class Reading(NamedTuple):
    """How files are read: the arguments of `images.read_file`."""

    max_pixels: int = images.MAX_PIXELS
    levels: tuple[float, float] | None = None
