"""What `colorjax serve` holds of each open page: `Session`, `Sessions`, `Look`.

A page has one picture: the file as it was dropped, a preview of bounded size, and what
each run that was chosen says of the picture. From these it is shown in many ways
without running a net, and written at full size as `colorjax colorize` writes it.
Nothing here knows of the page itself.
"""

import secrets
import shutil
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from colorjax import files, images
from colorjax.errors import UserError
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.compose import replace_ab
from colorjax.inference.decode import MAP, decode, uncertainty
from colorjax.inference.distribution import Distribution

PREVIEW = MAP  # pixels of the long side of what a page shows, as of `uncertainty`
THUMBNAIL = 180  # and of a sample to choose: one of `compose`'s small tiles
SAMPLES = 4
HELD = 1 << 30  # bytes of all sessions; above, the one longest unused goes
KEPT = 3  # files of a kind: a browser may still be fetching the last but one
STRAY = 600.0  # seconds after which a file that is no session's is deleted

Shown = UInt8[np.ndarray, "h w 3"]


class Look(NamedTuple):
    """How a picture is decoded: its colours are of a run; the rest is for `decode`."""

    run: str
    temperature: float | None = None
    saturation: float = 1.0
    seed: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `decode`."""
        return {key: x for key, x in self._asdict().items() if key != "run"}


@dataclass
class Session:
    """The picture of one page, and the folder of the files that the page shows."""

    name: str
    data: bytes
    preview: Shown
    folder: Path
    found: dict[str, Distribution] = field(default_factory=dict)
    _beside: dict[tuple[str, str], Path] = field(default_factory=dict)
    _passing: dict[str, deque[Path]] = field(default_factory=lambda: defaultdict(deque))
    _numbers: count = field(default_factory=count)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the session holds."""
        arrays = [self.preview]
        for found in tuple(self.found.values()):
            arrays += [found.lightness, found.ab]
            arrays += [] if found.logits is None else [found.logits]
        return len(self.data) + sum(array.nbytes for array in arrays)

    def colored(self, look: Look) -> Shown:
        """The preview in colour; of a picture no larger, the very result."""
        return self._decoded(self.preview, look)

    def samples(self, look: Look) -> list[Path]:
        """Files of thumbnails: without a seed, and of `SAMPLES` seeds from that of
        `look`."""
        small = _within(self.preview, THUMBNAIL)
        seeds = [None, *range(look.seed, look.seed + SAMPLES)]
        return [
            self._file(f"sample {i}", self._decoded(small, look._replace(seed=seed)))
            for i, seed in enumerate(seeds)
        ]

    def pair(self, beside: str, look: Look) -> tuple[Path, Path]:
        """Files of what colours are compared with, "grey", the "original" or
        "uncertainty", and of the preview in colour."""
        if (beside, look.run) not in self._beside:
            picture = self._other(beside, look.run)
            file = self._file(f"{beside} of {look.run}", picture)
            self._beside[beside, look.run] = file
        return self._beside[beside, look.run], self._file("colored", self.colored(look))

    def full(self, look: Look, suffix: str, max_pixels: int) -> Path:
        """A file at the size and depth of the picture, in the format of a suffix."""
        picture = images.read_full(self.data, self.name, max_pixels)
        colored = decode(self.found[look.run], picture, **look.options)
        name = f"{Path(self.name).stem}-colorized{suffix}"
        return self._write(
            "full", name, images.encode(colored, images.output_format(name))
        )

    def _decoded(self, picture: Shown, look: Look) -> Shown:
        """Another size of the picture in colour."""
        found = replace(self.found[look.run], size=picture.shape[:2])
        return decode(found, picture, **look.options)

    def _other(self, beside: str, run: str) -> Shown:
        if beside == "original":
            return self.preview
        if beside == "uncertainty":
            return uncertainty(self.found[run])
        grey = np.zeros((*self.preview.shape[:2], 2), np.float32)
        return replace_ab(self.preview, grey)

    def _file(self, kind: str, picture: Shown) -> Path:
        return self._write(kind, "picture.jpg", images.encode(picture, "JPEG"))

    def _write(self, kind: str, name: str, data: bytes) -> Path:
        """Write a file for the page; all but the last `KEPT` of a kind are deleted."""
        path = self.folder / str(next(self._numbers)) / name
        files.write_bytes(path, data)
        passing = self._passing[kind]
        passing.append(path)
        while len(passing) > KEPT:
            shutil.rmtree(passing.popleft().parent, ignore_errors=True)
        return path


class Sessions:
    """The sessions of all open pages, by the key of each; for use from many threads.

    `folder` is for files: it is theirs, and what else is found in it is deleted in
    time. All sessions together hold `held` bytes, or one of them more.
    """

    def __init__(
        self,
        colorizers: Mapping[str, Colorizer],
        folder: Path,
        max_pixels: int,
        held: int = HELD,
    ):
        self.colorizers, self.folder = colorizers, folder
        self.max_pixels, self.held = max_pixels, held
        self._lock = threading.Lock()
        self._opening: set[str] = set()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, key: str, data: bytes, name: str, run: str) -> Session:
        """Take a picture, in place of what the page had, and have a run predict it.

        Raises `UserError`, and leaves the page what it had, where there is no picture.
        Of a page that is closed meanwhile nothing is kept.
        """
        with self._lock:
            self._opening.add(key)
        try:
            picture = images.read_full(data, name, self.max_pixels)
            found = self.colorizers[run].predict(picture)
        except BaseException:
            with self._lock:
                self._opening.discard(key)
            raise
        small = images.on_white(_within(images.to_8_bits(picture), PREVIEW))
        folder = self.folder / secrets.token_urlsafe(16)
        session = Session(name, data, small, folder, {run: found})
        with self._lock:
            if key not in self._opening:
                return session
            self._opening.discard(key)
            before = self._sessions.pop(key, None)
            self._sessions[key] = session
        _delete(before)
        self._bound()
        return session

    def get(self, key: str, run: str) -> Session:
        """The session of a page, in which `run` has predicted the picture.

        Raises `UserError` where it is not held any more.
        """
        with self._lock:
            if key not in self._sessions:
                raise UserError("your picture is not held here any more; drop it again")
            self._sessions.move_to_end(key)
            session = self._sessions[key]
        if run not in session.found:
            picture = images.read_full(session.data, session.name, self.max_pixels)
            session.found[run] = self.colorizers[run].predict(picture)
            self._bound()
        return session

    def close(self, key: str) -> None:
        """Forget the picture of a page, and delete its files."""
        with self._lock:
            self._opening.discard(key)
            gone = self._sessions.pop(key, None)
        _delete(gone)

    def sweep(self, age: float = STRAY) -> None:
        """Delete files that no session has and that are `age` seconds old: uploads,
        finished or not."""
        with self._lock:
            live = {session.folder for session in self._sessions.values()}
        for path in set(self.folder.iterdir()) - live:
            try:
                if time.time() - path.stat().st_mtime > age:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                pass  # renamed meanwhile: an upload that is finished

    def _bound(self) -> None:
        gone = []
        with self._lock:
            held = sum(session.nbytes for session in self._sessions.values())
            while held > self.held and len(self._sessions) > 1:
                gone.append(self._sessions.popitem(last=False)[1])
                held -= gone[-1].nbytes
        for session in gone:
            _delete(session)


def _delete(session: Session | None) -> None:
    if session is not None:
        shutil.rmtree(session.folder, ignore_errors=True)


def _within(
    picture: UInt8[np.ndarray, "h w c"], side: int
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """The picture, made smaller where its long side has more than `side` pixels."""
    scale = min(1.0, side / max(picture.shape[:2]))
    height, width = (max(1, round(scale * n)) for n in picture.shape[:2])
    return images.resize(picture, (height, width))
