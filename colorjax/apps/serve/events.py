"""The event handlers of the page of `colorjax serve`: `Events`, `reports_errors`.

A handler gets the values of components and returns new values of others, both in the
order in which `ui` connects them.
"""

import functools
import html
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr

from colorjax import images
from colorjax.apps.serve.sessions import SAMPLES, Session, Sessions, Settings
from colorjax.errors import UserError

COMPARISONS = ["grey", "original", "uncertainty"]
PNG = ".png"
ERROR_SECONDS = 20.0  # how long the page shows an error
DEFECT = "This did not work. The terminal in which colorjax serve runs says why."


class Events:
    """The event handlers of the page. `workdirs` are the paths of the runs by name."""

    def __init__(self, sessions: Sessions, workdirs: Mapping[str, str]):
        self.sessions, self.workdirs = sessions, workdirs
        self.colorizers = sessions.colorizers

    def open(self, path: str, run: str, saturation: float, request: gr.Request):
        """The user dropped an image."""
        name = Path(path).name
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"{name} did not arrive whole; drop it again") from error
        self.sessions.open(_key(request), data, name, run)
        suffixes = [PNG]
        if Path(name).suffix.lower() in images.SUFFIXES:
            suffixes = list(dict.fromkeys([Path(name).suffix.lower(), PNG]))
        return (
            None,
            gr.update(visible=True),
            gr.update(choices=suffixes, value=suffixes[0]),
            *self.choose(COMPARISONS[0], run, saturation, request),
        )

    def choose(self, comparison: str, run: str, saturation: float, request: gr.Request):
        """The user chose a run: use its own temperature, and no sample."""
        logits, temperature = self.colorizers[run].has_logits, self.temperature(run)
        choices = COMPARISONS if logits else COMPARISONS[:2]
        comparison = comparison if logits else COMPARISONS[0]
        return (
            gr.update(choices=choices, value=comparison),
            gr.update(visible=logits, value=temperature),
            gr.update(visible=logits),
            None,
            *self.show(comparison, run, temperature, saturation, None, request),
            *self.draw(0, run, temperature, saturation, None, request),
        )

    def show(
        self,
        comparison: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The user moved a control: update the pair of images and the command line."""
        session = self._session(request, run)
        settings = self._settings(run, temperature, saturation, seed)
        pair = session.write_pair(comparison, settings)
        return pair, self._command_line(session, settings)

    def draw(
        self,
        first_seed: int,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """Draw the gallery: the mean, and the samples from `first_seed` on."""
        if not self.colorizers[run].has_logits:
            return first_seed, []
        settings = self._settings(run, temperature, saturation, seed)
        paths = self._session(request, run).write_samples(settings, first_seed)
        names = ["mean", *(f"seed {first_seed + i}" for i in range(SAMPLES))]
        items = list(zip(map(str, paths), names, strict=True))
        index = 0 if seed is None else seed - first_seed + 1
        if not 0 <= index <= SAMPLES:
            index = None
        return first_seed, gr.update(value=items, selected_index=index)

    def pick(
        self,
        first_seed: int,
        comparison: str,
        run: str,
        temperature: float,
        saturation: float,
        selected: gr.SelectData,
        request: gr.Request,
    ):
        """The user picked an item of the gallery."""
        seed = first_seed + selected.index - 1 if selected.index else None
        return seed, *self.show(comparison, run, temperature, saturation, seed, request)

    def save(
        self,
        suffix: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The user asked for the image at full size: write its file."""
        session = self._session(request, run)
        settings = self._settings(run, temperature, saturation, seed)
        return str(session.write_full(settings, suffix, self.sessions.max_pixels))

    def close(self, request: gr.Request) -> None:
        """The user closed the page."""
        self.sessions.close(_key(request))

    def temperature(self, run: str) -> float:
        """The run's own temperature, rounded as the page shows it."""
        return round(self.colorizers[run].temperature, 2)

    def _session(self, request: gr.Request, run: str) -> Session:
        return self.sessions.get(_key(request), run)

    def _settings(
        self, run: str, temperature: float, saturation: float, seed: int | None
    ) -> Settings:
        # Without an explicit temperature the run's own applies, without rounding.
        own = temperature == self.temperature(run)
        if own or not self.colorizers[run].has_logits:
            return Settings(run, None, saturation, seed)
        return Settings(run, temperature, saturation, seed)

    def _command_line(self, session: Session, settings: Settings) -> str:
        """The command that writes the same file."""
        workdir = self.workdirs[settings.run]
        command = ["colorjax", "colorize", session.name, "--run", workdir]
        for name, value in settings.options.items():
            if value is not None and (name, value) != ("saturation", 1):
                command += [f"--{name}", f"{value:g}"]
        return shlex.join([*command, "--out", "colorized/"])


def reports_errors(handler: Callable) -> Callable:
    """Wrap a handler so that the page shows a `UserError` as a sentence. Any other
    error appears as `DEFECT`, with its traceback in the terminal."""

    @functools.wraps(handler)
    def wrapper(*args):
        try:
            return handler(*args)
        except UserError as error:
            sentence = html.escape(str(error))
            raise gr.Error(sentence, ERROR_SECONDS, print_exception=False) from error
        except Exception as error:
            raise gr.Error(DEFECT, ERROR_SECONDS) from error

    return wrapper


def _key(request: gr.Request) -> str:
    """The key of the page that sent a request."""
    if request.session_hash is None:
        raise UserError("this page has no key; reload it")
    return request.session_hash
