"""The event handlers of the page of `colorjax serve`: `Events`, `reports_errors`.

A handler gets the values of components and returns new values of others, both in the
order in which `ui` connects them.
"""

import contextlib
import functools
import html
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import gradio as gr

from colorjax.apps.serve import uploads
from colorjax.apps.serve.examples import EXAMPLES
from colorjax.apps.serve.pictures import PNG
from colorjax.apps.serve.sessions import Session, Sessions
from colorjax.apps.serve.settings import Settings
from colorjax.apps.serve.views import VIEW, Views
from colorjax.errors import UserError

TAB_KEY = range(16, 65)  # characters of the key of a tab
ERROR_SECONDS = 20.0  # how long the page shows an error
NOT_USABLE = (
    "This model predicts one color for each place. What it cannot use was deleted: a "
    "palette, or the colors of another picture."
)
MAX_SENTENCES = 3  # of refused files in one warning
DEFECT = "This did not work. The terminal in which colorjax serve runs says why."


class Events:
    """The event handlers of the page. `max_bytes` bounds each file in a zip file."""

    def __init__(self, sessions: Sessions, views: Views, max_bytes: int):
        self.sessions, self.views, self.max_bytes = sessions, views, max_bytes

    def restore(self, tab: str, request: gr.Request):
        """A page was loaded: show the pictures that its tab had before a reload."""
        if len(tab) not in TAB_KEY:
            return [gr.skip()] * VIEW
        self.sessions.attach(key_of(request), tab)
        session = self.sessions.enter(key_of(request))
        return self.views.page(session) if session.pictures else [gr.skip()] * VIEW

    def open(
        self, paths: list[str] | str, run: str, saturation: float, request: gr.Request
    ):
        """The visitor dropped pictures or zip files."""
        paths = [paths] if isinstance(paths, str) else paths
        settings = Settings(run, saturation=saturation)
        session = self.sessions.enter(key_of(request))
        before = len(session.pictures)
        refused = self._add(session, paths, settings)
        if len(session.pictures) == before:
            raise UserError(_sentence(refused))
        if refused:
            gr.Warning(html.escape(_sentence(refused)), ERROR_SECONDS)
        session.chosen = session.pictures[before]
        return None, *self.views.page(session)

    def example(
        self, run: str, saturation: float, picked: gr.SelectData, request: gr.Request
    ):
        """The visitor picked an example."""
        path = EXAMPLES[_index(picked, EXAMPLES)].path
        session = self.sessions.enter(key_of(request))
        settings = Settings(run, saturation=saturation)
        self.sessions.add(session, path.name, path.read_bytes(), settings)
        return self.views.page(session)

    def choose(self, comparison: str, picked: gr.SelectData, request: gr.Request):
        """The visitor picked another of the pictures."""
        session, _ = self.sessions.get(key_of(request))
        session.chosen = session.pictures[_index(picked, session.pictures)]
        return self.views.page(session, comparison)

    def remove(self, comparison: str, request: gr.Request):
        """The visitor removed the picture."""
        session, picture = self.sessions.get(key_of(request))
        session.remove(picture)
        if session.pictures:
            return self.views.page(session, comparison)
        return [gr.update(visible=False), *[gr.skip()] * (VIEW - 1)]

    def switch(self, comparison: str, run: str, request: gr.Request):
        """The visitor chose a run: use the settings of the run, keep hints and text,
        show no sample."""
        session, picture = self.sessions.get(key_of(request))
        before, colorizer = picture.settings, self.views.colorizers[run]
        read = functools.partial(picture.read, self.sessions.max_pixels)
        picture.settings = before.switched(run, colorizer, read)
        lost = picture.settings.hints is not before.hints
        *page, shown = self.views.page(session, comparison)
        if lost:
            gr.Warning(NOT_USABLE, ERROR_SECONDS)
        return *page, shown | {"loaded": lost}

    def show(
        self,
        comparison: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The visitor moved a control: update the pair of images and the command."""
        session, picture = self.sessions.get(key_of(request))
        picture.settings = self.views.settings(
            picture, run, temperature, saturation, seed
        )
        return self.views.shown(session, picture, comparison)

    def draw(
        self,
        seeds: list[int],
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """Draw the variations again: the best guess, and a sample for each seed."""
        session, picture = self.sessions.get(key_of(request))
        settings = self.views.settings(picture, run, temperature, saturation, seed)
        yield from self.views.samples(session, picture, settings, seeds)

    def pick(
        self,
        seeds: list[int],
        comparison: str,
        run: str,
        temperature: float,
        saturation: float,
        picked: gr.SelectData,
        request: gr.Request,
    ):
        """The visitor picked a variation."""
        seed = [None, *seeds][_index(picked, [None, *seeds])]
        controls = run, temperature, saturation, seed, request
        shown = self.show(comparison, *controls)
        *_, gallery = self.draw(seeds, *controls)
        return seed, *shown, gallery

    def save(
        self,
        suffix: str,
        run: str,
        temperature: float,
        saturation: float,
        seed: int | None,
        request: gr.Request,
    ):
        """The visitor asked for the picture at full size: write its file."""
        session, picture = self.sessions.get(key_of(request))
        settings = self.views.settings(picture, run, temperature, saturation, seed)
        prediction = self.sessions.predict(session, picture, settings)
        limit = self.sessions.max_pixels
        return str(picture.write_full(prediction, settings, suffix, limit))

    def save_all(self, suffix: str, request: gr.Request):
        """The visitor asked for all pictures at full size: write a zip file."""
        session, _ = self.sessions.get(key_of(request))
        return str(self.sessions.write_zip(session, PNG if suffix == PNG else None))

    def close(self, request: gr.Request) -> None:
        """The visitor closed the page, or loads it again."""
        self.sessions.detach(key_of(request))

    def _add(
        self, session: Session, paths: Iterable[str], settings: Settings
    ) -> list[str]:
        """Add uploads to a session. Returns a sentence for each that is refused."""
        refused = []
        for path in paths:
            try:
                for name, data in uploads.unpack(Path(path), self.max_bytes):
                    try:
                        self.sessions.add(session, name, data, settings)
                    except UserError as error:
                        refused.append(str(error))
            except UserError as error:
                refused.append(str(error))
        return refused


def other_seeds(seeds: list[int], seed: int | None) -> list[int]:
    """The next seeds; that of the picture on the page stays where it is."""
    fresh = iter(range(max(seeds) + 1, max(seeds) + 1 + len(seeds)))
    return [old if old == seed else next(fresh) for old in seeds]


def reports_errors(handler: Callable) -> Callable:
    """Wrap a handler so that the page shows a `UserError` as a sentence. Any other
    error appears as `DEFECT`, with its traceback in the terminal."""

    @functools.wraps(handler)
    def call(*args):
        with _reported():
            return handler(*args)

    @functools.wraps(handler)
    def stream(*args):
        with _reported():
            yield from handler(*args)

    return stream if inspect.isgeneratorfunction(handler) else call


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Turn errors into those that Gradio shows."""
    try:
        yield
    except UserError as error:
        sentence = html.escape(str(error))
        raise gr.Error(sentence, ERROR_SECONDS, print_exception=False) from error
    except Exception as error:
        raise gr.Error(DEFECT, ERROR_SECONDS) from error


def _sentence(refused: list[str]) -> str:
    """What the page says about refused files."""
    more = len(refused) - MAX_SENTENCES
    rest = [f"and {more} more files"] if more > 0 else []
    return "; ".join([*refused[:MAX_SENTENCES], *rest])


def _index(picked: gr.SelectData, items: Sequence) -> int:
    """The index of the item that the visitor picked. A client may send any value;
    raises `UserError` if it is none of `items`."""
    if not isinstance(picked.index, int) or not 0 <= picked.index < len(items):
        raise UserError("this is no longer on the page; reload it")
    return picked.index


def key_of(request: gr.Request) -> str:
    """The key of the page that sent a request."""
    if request.session_hash is None:
        raise UserError("this page has no key; reload it")
    return request.session_hash
