"""The settings of a picture on the page of `colorjax serve`: `Settings`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from colorjax.apps.serve.guides import scaled, usable
from colorjax.apps.serve.texts import PlacedText, place_text
from colorjax.hints import Guide
from colorjax.images import Picture
from colorjax.inference.colorizer import Colorizer


class Settings(NamedTuple):
    """The run that predicts the colors, and the keyword arguments of `decode`.

    None stands for the temperature, the saturation and the guidance of the run. The
    strokes of the hints have the size of the preview. `text` becomes further hints, or
    the network reads it.
    """

    run: str
    temperature: float | None = None
    saturation: float | None = None
    seed: int | None = None
    hints: Guide | None = None
    text: PlacedText | None = None
    guidance: float | None = None

    @property
    def has_hints(self) -> bool:
        """Whether there are hints, those of the text included."""
        return self.hints is not None or bool(self.text and self.text.has_effect)

    @property
    def used_guidance(self) -> float | None:
        """The guidance, if the network reads a text; else it has no effect."""
        return self.guidance if self.text and self.text.sentence else None

    def switched(
        self, run: str, colorizer: Colorizer, read: Callable[[], Picture]
    ) -> "Settings":
        """The settings of another run, with the hints that it can use, and the text.

        `read` and the errors are those of `place_text`.
        """
        hints, text = usable(self.hints, colorizer), self.text
        if text is not None:
            text = place_text(text.things, text, read, colorizer.text)
        return Settings(run, hints=hints, text=text, guidance=self.guidance)

    def guide(self, size: tuple[int, int]) -> Guide | None:
        """The hints, those of the text included, on the picture at a (height,
        width)."""
        own = scaled(self.hints, size)
        return own if self.text is None else self.text.guide(size, own)

    def options(self, size: tuple[int, int]) -> dict[str, Any]:
        """The keyword arguments of `decode` for the picture at a (height, width)."""
        options = self._asdict() | {"hints": self.guide(size)}
        for key in ("run", "text", "guidance"):
            del options[key]
        return options
