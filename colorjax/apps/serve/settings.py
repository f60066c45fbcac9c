"""The settings of a picture on the page of `colorjax serve`: `Settings`."""

from typing import Any, NamedTuple

from colorjax.apps.serve.guides import scaled
from colorjax.apps.serve.texts import PlacedText
from colorjax.hints import Guide


class Settings(NamedTuple):
    """The run that predicts the colors, and the keyword arguments of `decode`.

    None stands for the temperature and the saturation of the run. The strokes of the
    hints have the size of the preview. `text` becomes further hints.
    """

    run: str
    temperature: float | None = None
    saturation: float | None = None
    seed: int | None = None
    hints: Guide | None = None
    text: PlacedText | None = None

    @property
    def has_hints(self) -> bool:
        """Whether there are hints, those of the text included."""
        return self.hints is not None or bool(self.text and self.text.sure)

    def guide(self, size: tuple[int, int]) -> Guide | None:
        """The hints, those of the text included, on the picture at a (height,
        width)."""
        own = scaled(self.hints, size)
        return own if self.text is None else self.text.guide(size, own)

    def options(self, size: tuple[int, int]) -> dict[str, Any]:
        """The keyword arguments of `decode` for the picture at a (height, width)."""
        options = self._asdict() | {"hints": self.guide(size)}
        del options["run"], options["text"]
        return options
