"""What happens on the page of `colorjax serve`: `Events`, `told`.

An event gets the values of components and gives those of others, both in the order in
which `page` connects them.
"""

import functools
import html
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr

from colorjax import images
from colorjax.apps.serve.sessions import SAMPLES, Look, Sessions
from colorjax.errors import UserError

BESIDE = ["grey", "original", "uncertainty"]
PNG = ".png"
READING = 20.0  # seconds that an error stays on the page
SORRY = "This did not work. The terminal in which colorjax serve runs says why."


class Events:
    """What happens on the page."""

    def __init__(self, sessions: Sessions, workdirs: Mapping[str, str]):
        self.sessions, self.workdirs = sessions, workdirs
        self.colorizers = sessions.colorizers

    def open(self, path: str, run: str, saturation: float, request: gr.Request):
        """A picture was dropped."""
        name = Path(path).name
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"{name} did not arrive whole; drop it again") from error
        self.sessions.open(request.session_hash, data, name, run)
        suffixes = [PNG]
        if Path(name).suffix.lower() in images.SUFFIXES:
            suffixes = list(dict.fromkeys([Path(name).suffix.lower(), PNG]))
        return (
            None,
            gr.update(visible=True),
            gr.update(choices=suffixes, value=suffixes[0]),
            *self.choose(BESIDE[0], run, saturation, request),
        )

    def choose(self, beside: str, run: str, saturation: float, request: gr.Request):
        """A run was chosen: its own way of decoding, and no sample."""
        logits, temperature = self.colorizers[run].has_logits, self.temperature(run)
        beside = beside if logits else BESIDE[0]
        return (
            gr.update(choices=BESIDE if logits else BESIDE[:2], value=beside),
            gr.update(visible=logits, value=temperature),
            gr.update(visible=logits),
            None,
            *self.show(beside, run, temperature, saturation, None, request),
            *self.draw(0, run, temperature, saturation, None, request),
        )

    def show(
        self,
        beside: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """Something was moved: the pair behind the slider, and how to have it from the
        command line."""
        session = self.sessions.get(request.session_hash, run)
        look = self._look(run, temperature, saturation, seed)
        command = ["colorjax", "colorize", session.name, "--run", self.workdirs[run]]
        for name, value in look.options.items():
            if value is not None and (name, value) != ("saturation", 1):
                command += [f"--{name}", f"{value:g}"]
        command = shlex.join([*command, "--out", "colorized/"])
        return session.pair(beside, look), command

    def draw(
        self,
        first: int,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The mean, and samples from a seed on, to choose among."""
        if not self.colorizers[run].has_logits:
            return first, []
        session = self.sessions.get(request.session_hash, run)
        names = ["mean", *(f"seed {first + i}" for i in range(SAMPLES))]
        paths = session.samples(self._look(run, temperature, saturation, first))
        shown = list(zip(map(str, paths), names, strict=True))
        place = 0 if seed is None else seed - first + 1
        if not 0 <= place <= SAMPLES:
            place = None
        return first, gr.update(value=shown, selected_index=place)

    def pick(
        self,
        first: int,
        beside: str,
        run: str,
        temperature: float,
        saturation: float,
        picked: gr.SelectData,
        request: gr.Request,
    ):
        """A sample was chosen, or the mean."""
        seed = first + picked.index - 1 if picked.index else None
        shown = self.show(beside, run, temperature, saturation, seed, request)
        return seed, *shown

    def save(
        self,
        suffix: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The picture at full size, as a file."""
        session = self.sessions.get(request.session_hash, run)
        look = self._look(run, temperature, saturation, seed)
        return str(session.full(look, suffix, self.sessions.max_pixels))

    def close(self, request: gr.Request) -> None:
        """The page was closed."""
        self.sessions.close(request.session_hash)

    def temperature(self, run: str) -> float:
        """The run's own, as the page shows it."""
        return round(self.colorizers[run].temperature, 2)

    def _look(
        self, run: str, temperature: float, saturation: float, seed: int | None
    ) -> Look:
        if temperature == self.temperature(run) or not self.colorizers[run].has_logits:
            temperature = None
        return Look(run, temperature, saturation, seed)


def told(event: Callable) -> Callable:
    """The event, whose user is told of a mistake in a sentence on the page; of anything
    else the terminal has the traceback."""

    @functools.wraps(event)
    def telling(*args):
        try:
            return event(*args)
        except UserError as error:
            sentence = html.escape(str(error))
            raise gr.Error(sentence, READING, print_exception=False) from error
        except Exception as error:
            raise gr.Error(SORRY, READING) from error

    return telling
