"""What the page of `colorjax serve` shows of a session: `Views`."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from colorjax.apps.guide.hint_files import HINTS
from colorjax.apps.serve.pictures import Picture
from colorjax.apps.serve.sessions import Session, Sessions
from colorjax.apps.serve.settings import Settings

COMPARISONS = ["grey", "original", "uncertainty"]
SAMPLES = 4
FIRST_SEEDS = list(range(1, SAMPLES + 1))
VIEW = 15  # values that describe the whole page


class Views:
    """Values of the components for a session.

    `workdirs` are the paths of the runs; `settings` and `size` are the options with
    which all runs were loaded.
    """

    def __init__(
        self,
        sessions: Sessions,
        workdirs: Mapping[str, str],
        settings: Mapping[str, Any] | None = None,
        size: int | None = None,
    ):
        self.sessions, self.workdirs, self.size = sessions, workdirs, size
        self.options = [f"method.{key}={x}" for key, x in (settings or {}).items()]
        self.colorizers = sessions.colorizers

    def page(self, session: Session, comparison: str = COMPARISONS[0]) -> list[Any]:
        """The `VIEW` values that show the chosen picture of a session."""
        picture = session.chosen
        assert picture is not None
        settings = picture.settings
        colorizer = self.colorizers[settings.run]
        logits = colorizer.has_logits
        choices = COMPARISONS if logits else COMPARISONS[:2]
        comparison = comparison if comparison in choices else COMPARISONS[0]
        seeds = FIRST_SEEDS
        if settings.seed is not None and settings.seed not in seeds:
            seeds = [settings.seed, *seeds[1:]]
        temperature = settings.temperature or self.temperature(settings.run)
        saturation = settings.saturation
        if saturation is None:
            saturation = self.saturation(settings.run)
        variations = gr.update(visible=colorizer.has_samples)
        if settings.seed is not None:
            variations = gr.update(visible=colorizer.has_samples, open=True)
        several = len(session.pictures) > 1
        samples = thumbnails([], [])  # which a run that draws noise makes when asked
        if settings.seed is not None or not colorizer.draws_noise:
            *_, samples = self.samples(session, picture, settings, seeds)
        return [
            gr.update(visible=True),
            gr.update(value=album(session), visible=several),
            gr.update(visible=several),
            settings.run,
            gr.update(choices=choices, value=comparison),
            gr.update(visible=logits, value=temperature),
            saturation,
            gr.update(choices=picture.suffixes, value=picture.suffixes[0]),
            variations,
            seeds,
            settings.seed,
            samples,
            *self.shown(session, picture, comparison),
            self.hints(picture),
        ]

    def shown(
        self, session: Session, picture: Picture, comparison: str
    ) -> tuple[dict[str, Any], str]:
        """The pair of images and the command for a picture with its settings."""
        settings = picture.settings
        prediction = self.sessions.predict(session, picture, settings)
        other, colored = picture.write_pair(prediction, comparison, settings)
        pair = {
            "name": picture.name,
            "comparison": comparison,
            "other": file_data(other),
            "colored": file_data(colored),
        }
        return pair, self._command_line(picture.name, settings)

    def hints(self, picture: Picture) -> dict[str, Any]:
        """The hints of a picture, as `hints.js` edits them."""
        guide, text = picture.settings.hints, picture.settings.text
        colorizer = self.colorizers[picture.settings.run]
        return {
            "picture": picture.folder.name,
            "hints": "" if guide is None else guide.to_json(),
            "text": [] if text is None else [x.to_json() for x in text.things],
            "advice": colorizer.has_logits,
            "exemplar": colorizer.takes_exemplars,
            "guidance": picture.settings.guidance,
            "own_guidance": colorizer.text and colorizer.text.guidance,
            **self.regions(picture),
        }

    def regions(self, picture: Picture) -> dict[str, Any]:
        """The regions of the text of a picture, as `words.js` shows them."""
        text, hints = picture.settings.text, picture.settings.hints
        if text is None:
            return {"regions": {}, "overruled": [], "reads": ""}
        return text.to_json(picture.preview.shape[:2], hints)

    def samples(
        self, session: Session, picture: Picture, settings: Settings, seeds: list[int]
    ) -> Iterator[dict[str, Any]]:
        """The variations of a picture: the best guess, and one for each seed.

        A run that draws noise takes seconds for each, so they are shown one by one.
        """
        colorizer = self.colorizers[settings.run]
        if not colorizer.has_samples:
            yield thumbnails([], [])
            return
        every = [None, *seeds]
        first = "best guess" if colorizer.has_logits else "first guess"
        names = [first, *(f"variation {seed}" for seed in seeds)]
        selected = every.index(settings.seed) if settings.seed in every else None
        files: list[dict[str, Any] | None] = [None] * len(every)
        for i, seed in enumerate(every):
            own = settings._replace(seed=seed)
            prediction = self.sessions.predict(session, picture, own)
            files[i] = file_data(picture.write_sample(i, prediction, own))
            if colorizer.draws_noise or None not in files:
                yield thumbnails(files, names, selected)

    def temperature(self, run: str) -> float:
        """The run's own temperature, rounded as the page shows it."""
        return round(self.colorizers[run].temperature, 2)

    def saturation(self, run: str) -> float:
        """The run's own saturation."""
        return self.colorizers[run].saturation

    def settings(
        self,
        picture: Picture,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
    ) -> Settings:
        """The settings that the controls of the page stand for, with the hints and the
        text."""
        # Without an explicit temperature the run's own applies, without rounding.
        own = temperature == self.temperature(run)
        chosen = None if own or not self.colorizers[run].has_logits else temperature
        own = picture.settings
        return own._replace(
            run=run, temperature=chosen, saturation=saturation, seed=seed
        )

    def _command_line(self, name: str, settings: Settings) -> str:
        """The command that writes the same file."""
        workdir = self.workdirs[settings.run]
        command = ["colorjax", "colorize", name, "--run", workdir]
        for option in self.options:
            command += ["--set", option]
        own = settings.saturation == self.saturation(settings.run)
        options = {
            "size": self.size,
            "temperature": settings.temperature,
            "saturation": None if own else settings.saturation,
            "seed": settings.seed,
            "guidance": settings.used_guidance,
        }
        for key, value in options.items():
            if value is not None:
                command += [f"--{key}", f"{value:g}"]
        if settings.has_hints:
            command += ["--hints", name + HINTS]
        return shlex.join([*command, "--out", "colorized/"])


def album(session: Session) -> dict[str, Any]:
    """The pictures of a session as they were uploaded."""
    files = [file_data(picture.write_thumbnail()) for picture in session.pictures]
    names = [picture.name for picture in session.pictures]
    chosen = session.chosen
    selected = None if chosen is None else session.pictures.index(chosen)
    return thumbnails(files, names, selected)


def thumbnails(
    files: Iterable[dict[str, Any] | None],
    captions: list[str],
    selected: int | None = None,
) -> dict[str, Any]:
    """The value of a row of thumbnails (`thumbnails.js`). None: not yet made."""
    pairs = zip(files, captions, strict=True)
    items = [{"image": image, "caption": caption} for image, caption in pairs]
    return {"items": items, "selected": selected}


def file_data(path: Path) -> dict[str, Any]:
    """A file as the browser gets it. Gradio adds the address."""
    return gr.FileData(path=str(path)).model_dump()
