"""The visitors of `colorjax serve`: `Session`, `Sessions`.

A session holds the pictures of one tab of a browser. It survives a reload of the page.
This module does not depend on Gradio.
"""

import secrets
import shutil
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from colorjax import files, images
from colorjax.apps.serve.guides import guided
from colorjax.apps.serve.pictures import PREVIEW, Picture, limited
from colorjax.apps.serve.settings import Settings
from colorjax.errors import UserError
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution

MAX_BYTES = 1 << 30  # of all sessions; above, the least recently used one is dropped
MAX_SESSION_BYTES = 1 << 28  # of a session with several pictures
MAX_PICTURES = 100  # of a session
MAX_PAGES = 10_000  # of which the tab is known
LINGER_SECONDS = 120.0  # for which a session outlives its page, which may be reloaded
STRAY_SECONDS = 600.0  # age at which a file that belongs to no session is deleted


@dataclass(eq=False)
class Session:
    """The pictures of one tab, and the folder of the files that its page shows.

    `chosen` is the picture on the page, or None if there are none. `archive` is the
    last zip file of all results.
    """

    folder: Path
    pictures: tuple[Picture, ...] = ()
    chosen: Picture | None = None
    archive: Path | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the session holds."""
        return sum(picture.nbytes for picture in self.pictures)

    def remove(self, picture: Picture) -> None:
        """Remove a picture, delete its files, and choose a neighbor of it."""
        index = self.pictures.index(picture)
        self.pictures = self.pictures[:index] + self.pictures[index + 1 :]
        last = len(self.pictures) - 1
        self.chosen = self.pictures[min(index, last)] if self.pictures else None
        shutil.rmtree(picture.folder, ignore_errors=True)


class Sessions:
    """The sessions of all tabs, by the key of each tab. Thread-safe.

    A page is one visit of a tab: a reload ends a page and begins another. The sessions
    own `folder` and delete old files in it that belong to none of them. Together they
    hold at most `max_bytes`, and each at most `max_session_bytes`; a single picture may
    exceed that.
    """

    def __init__(
        self,
        colorizers: Mapping[str, Colorizer],
        folder: Path,
        max_pixels: int,
        max_bytes: int = MAX_BYTES,
        max_session_bytes: int = MAX_SESSION_BYTES,
    ):
        self.colorizers, self.folder = colorizers, folder
        self.max_pixels, self.max_bytes = max_pixels, max_bytes
        self.max_session_bytes = max_session_bytes
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._tabs: OrderedDict[str, str] = OrderedDict()  # by page
        self._closed: dict[str, float] = {}  # when a tab's last page was closed

    def attach(self, page: str, tab: str) -> None:
        """Let a page use the session of its tab. Other pages have their own."""
        with self._lock:
            self._tabs[page] = tab
            self._closed.pop(tab, None)
            if len(self._tabs) > MAX_PAGES:
                self._tabs.popitem(last=False)

    def detach(self, page: str) -> None:
        """A page was closed: `sweep` will drop its session, unless the tab returns."""
        with self._lock:
            tab = self._tabs.pop(page, page)
            if tab in self._sessions and tab not in self._tabs.values():
                self._closed[tab] = time.monotonic()

    def enter(self, page: str) -> Session:
        """The session of a page, which may be new."""
        with self._lock:
            tab = self._tabs.get(page, page)
            if tab not in self._sessions:
                folder = self.folder / secrets.token_urlsafe(16)
                self._sessions[tab] = Session(folder)
            self._sessions.move_to_end(tab)
            return self._sessions[tab]

    def get(self, page: str) -> tuple[Session, Picture]:
        """The session of a page and the picture on it.

        Raises `UserError` if the session was dropped.
        """
        with self._lock:
            tab = self._tabs.get(page, page)
            session = self._sessions.get(tab)
            if session is None or session.chosen is None:
                raise UserError(
                    "the server no longer holds your picture; drop it again"
                )
            self._sessions.move_to_end(tab)
            return session, session.chosen

    def add(self, session: Session, name: str, data: bytes, settings: Settings) -> None:
        """Add an upload to a session, and choose it.

        Raises `UserError`, and leaves the session as it was, if the upload is not a
        readable image or if the session is full.
        """
        image = images.to_8_bits(images.read_full(data, name, self.max_pixels))
        preview = images.on_white(limited(image, PREVIEW))
        folder = session.folder / secrets.token_hex(4)
        picture = Picture(name, data, preview, folder, settings)
        with self._lock:
            self._check_room(session, picture)
            session.pictures = (*session.pictures, picture)
            session.chosen = picture
        self._evict()

    def predict(
        self, session: Session, picture: Picture, settings: Settings
    ) -> Distribution:
        """The prediction for a picture with these settings.

        The network runs only once, unless memory is short. If the run draws noise, the
        network runs once for each seed. If the network takes hints, it runs again when
        they change.
        """
        colorizer = guided(self.colorizers[settings.run], settings.used_guidance)
        prediction, ran = picture.predict(colorizer, settings, self.max_pixels)
        if ran:
            if session.nbytes > self.max_session_bytes:
                for other in session.pictures:
                    if other is not picture:
                        other.predictions.clear()
            self._evict()
        return prediction

    def write_zip(self, session: Session, suffix: str | None) -> Path:
        """A zip file of all results of a session at full size, and of their hints.

        Each picture has the settings with which it was shown last. `suffix` chooses
        the format of all files; without it, each has the format of its picture.
        """
        path = session.folder / secrets.token_hex(4) / "colorized.zip"
        names: set[str] = set()
        with files.beside(path) as part, zipfile.ZipFile(part, "w") as archive:
            for picture in session.pictures:
                settings, kind = picture.settings, suffix or picture.suffixes[0]
                prediction = self.predict(session, picture, settings)
                result = prediction, settings, kind, self.max_pixels
                entries = [picture.encode_full(*result)]
                if settings.has_hints:
                    entries.append(picture.encode_hints(prediction))
                for name, data in entries:
                    # Without a date of its own, an entry would get the current time.
                    entry = zipfile.ZipInfo(_unused(name, names))
                    entry.external_attr = 0o644 << 16  # permissions
                    archive.writestr(entry, data)
        if session.archive is not None:
            shutil.rmtree(session.archive.parent, ignore_errors=True)
        session.archive = path
        return path

    def sweep(self, age: float = STRAY_SECONDS, linger: float = LINGER_SECONDS) -> None:
        """Drop the sessions of pages that were closed `linger` seconds ago. Delete
        files that are `age` seconds old and belong to no session, such as finished and
        unfinished uploads."""
        now = time.monotonic()
        with self._lock:
            ended = [tab for tab, at in self._closed.items() if now - at >= linger]
            dropped = [self._sessions.pop(tab, None) for tab in ended]
            for tab in ended:
                del self._closed[tab]
            live = {session.folder for session in self._sessions.values()}
        for session in dropped:
            _delete_files(session)
        for path in set(self.folder.iterdir()) - live:
            try:
                if time.time() - path.stat().st_mtime > age:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                pass  # an upload has finished and was renamed

    def _check_room(self, session: Session, picture: Picture) -> None:
        """Raise `UserError` if a session has no room for one more picture."""
        if len(session.pictures) >= MAX_PICTURES:
            raise UserError(
                f"{picture.name}: the page holds {MAX_PICTURES} pictures, no more fit; "
                "remove some first"
            )
        full = session.nbytes + picture.nbytes > self.max_session_bytes
        if session.pictures and full:
            raise UserError(
                f"{picture.name}: the pictures of this page would need more than "
                f"{self.max_session_bytes >> 20} MB; remove some first"
            )

    def _evict(self) -> None:
        """Drop the least recently used sessions while all together hold too many
        bytes."""
        dropped = []
        with self._lock:
            nbytes = sum(session.nbytes for session in self._sessions.values())
            while nbytes > self.max_bytes and len(self._sessions) > 1:
                dropped.append(self._sessions.popitem(last=False)[1])
                nbytes -= dropped[-1].nbytes
        for session in dropped:
            _delete_files(session)


def _unused(name: str, names: set[str]) -> str:
    """The name, with a number if it is already in `names`. The result is added to
    `names`."""
    unused, number = name, 2
    while unused in names:
        unused = f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    names.add(unused)
    return unused


def _delete_files(session: Session | None) -> None:
    if session is not None:
        shutil.rmtree(session.folder, ignore_errors=True)
