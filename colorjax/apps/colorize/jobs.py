"""The pictures that a command colorizes, and the files that it writes for each."""

from pathlib import Path
from typing import NamedTuple

from colorjax.apps.colorize.hinting import Asked
from colorjax.apps.guide.hint_files import HINTS
from colorjax.apps.guide.text_options import PLACES, Text

STANDARD = "-"  # the name of standard input and standard output
UNCERTAINTY = ".uncertainty.png"
DISTRIBUTION = ".colors.npz"


class Wanted(NamedTuple):
    """The files to write for each picture.

    `samples` is the number of samples, or None for one picture in color. `hints` and
    `text`, if there are any, change the colors. A file beside the result keeps them as
    hints, unless they are a palette alone.
    """

    samples: int | None = None
    distribution: bool = False
    uncertainty: bool = False
    hints: Asked | None = None
    text: Text | None = None

    def keeps_hints(self, source: Path | None) -> bool:
        """Whether a file beside the result keeps the hints for the picture `source`."""
        own = self.hints is not None and self.hints.are_kept(source)
        return own or self.text is not None


class Job(NamedTuple):
    """One picture to colorize.

    `source` is None for standard input, and `target` is None for standard output.
    `base` has the place below the output folder that the source has below the input
    folder; files beside the result have its name plus a suffix.
    """

    source: Path | None
    target: Path | None
    base: Path

    @property
    def name(self) -> str:
        """The name of the picture in messages."""
        return "standard input" if self.source is None else str(self.source)

    def results(self, samples: int | None) -> list[Path | None]:
        """The pictures to write: the target, or, of N samples, target-1 to target-N."""
        if samples is None or self.target is None:
            return [self.target]
        stem, suffix = self.target.stem, self.target.suffix
        names = (f"{stem}-{i}{suffix}" for i in range(1, samples + 1))
        return [self.target.with_name(name) for name in names]

    def beside(self, suffix: str) -> Path:
        """The path of a file beside the result."""
        return self.base.with_name(self.base.name + suffix)

    def outputs(self, wanted: Wanted) -> list[Path]:
        """All files to write; none if the picture goes to standard output."""
        paths = [path for path in self.results(wanted.samples) if path is not None]
        if wanted.distribution:
            paths.append(self.beside(DISTRIBUTION))
        if wanted.uncertainty:
            paths.append(self.beside(UNCERTAINTY))
        if wanted.keeps_hints(self.source):
            paths.append(self.beside(HINTS))
        if wanted.text is not None and wanted.text.drawn:
            paths.append(self.beside(PLACES))
        return paths

    def is_done(self, wanted: Wanted) -> bool:
        """Whether all its files exist."""
        return self.target is not None and all(
            path.exists() for path in self.outputs(wanted)
        )
