"""The open pages of `colorjax serve`: `Session`, `Sessions`, `Settings`.

A page has one image: the uploaded file, a preview of bounded size, and the prediction
of each run that was chosen. A session shows the image with different settings without
running a network again. It writes full-size files as `colorjax colorize` does. This
module does not depend on Gradio.
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

PREVIEW = MAP  # pixels of the long side of a preview; `uncertainty` has the same size
THUMBNAIL = 180  # pixels of the long side of a sample
SAMPLES = 4
MAX_BYTES = 1 << 30  # of all sessions; above, the least recently used one is dropped
FILES_PER_KIND = 3  # a browser may still be fetching the last but one
STRAY_SECONDS = 600.0  # age at which a file that belongs to no session is deleted

Image = UInt8[np.ndarray, "h w 3"]


class Settings(NamedTuple):
    """The run that predicts the colors, and the keyword arguments of `decode`."""

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
    """The image of one page, and the folder of the files that the page shows.

    `predictions` holds one distribution per run.
    """

    name: str
    data: bytes
    preview: Image
    folder: Path
    predictions: dict[str, Distribution] = field(default_factory=dict)
    _comparisons: dict[tuple[str, str], Path] = field(default_factory=dict)
    _recent: dict[str, deque[Path]] = field(default_factory=lambda: defaultdict(deque))
    _numbers: count = field(default_factory=count)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the session holds."""
        arrays: list[np.ndarray] = [self.preview]
        for prediction in tuple(self.predictions.values()):
            arrays += [prediction.lightness, prediction.ab]
            arrays += [] if prediction.logits is None else [prediction.logits]
        return len(self.data) + sum(array.nbytes for array in arrays)

    def colorize_preview(self, settings: Settings) -> Image:
        """The preview in color. If the image is no larger, this is the full result."""
        return self._decode(self.preview, settings)

    def write_samples(self, settings: Settings, first_seed: int) -> list[Path]:
        """Thumbnail files: one without a seed, and `SAMPLES` with the seeds from
        `first_seed` on."""
        small = _limited(self.preview, THUMBNAIL)
        seeds = [None, *range(first_seed, first_seed + SAMPLES)]
        return [
            self._write_jpeg(
                f"sample {i}", self._decode(small, settings._replace(seed=seed))
            )
            for i, seed in enumerate(seeds)
        ]

    def write_pair(self, comparison: str, settings: Settings) -> tuple[Path, Path]:
        """Files of the comparison image and of the preview in color.

        `comparison` is "grey", "original" or "uncertainty".
        """
        key = comparison, settings.run
        if key not in self._comparisons:
            image = self._comparison(comparison, settings.run)
            kind = f"{comparison} of {settings.run}"
            self._comparisons[key] = self._write_jpeg(kind, image)
        colored = self.colorize_preview(settings)
        return self._comparisons[key], self._write_jpeg("colored", colored)

    def write_full(self, settings: Settings, suffix: str, max_pixels: int) -> Path:
        """A file with the size and depth of the image, in the format of `suffix`."""
        page = images.read_page(self.data, self.name, max_pixels)
        prediction = self.predictions[settings.run]
        page = page._replace(
            picture=decode(prediction, page.picture, **settings.options)
        )
        name = f"{Path(self.name).stem}-colorized{suffix}"
        kind = images.output_format(name)
        encoded = images.encode_file([page], kind, images.Settings(), self.name)
        return self._write("full", name, encoded.data)

    def _decode(self, image: Image, settings: Settings) -> Image:
        """The image, which has another size than the prediction, in color."""
        prediction = replace(self.predictions[settings.run], size=image.shape[:2])
        return decode(prediction, image, **settings.options)

    def _comparison(self, comparison: str, run: str) -> Image:
        if comparison == "original":
            return self.preview
        if comparison == "uncertainty":
            return uncertainty(self.predictions[run])
        grey = np.zeros((*self.preview.shape[:2], 2), np.float32)
        return replace_ab(self.preview, grey)

    def _write_jpeg(self, kind: str, image: Image) -> Path:
        return self._write(kind, "picture.jpg", images.encode(image, "JPEG"))

    def _write(self, kind: str, name: str, data: bytes) -> Path:
        """Write a file for the page, and delete all but the last `FILES_PER_KIND`."""
        path = self.folder / str(next(self._numbers)) / name
        files.write_bytes(path, data)
        recent = self._recent[kind]
        recent.append(path)
        while len(recent) > FILES_PER_KIND:
            shutil.rmtree(recent.popleft().parent, ignore_errors=True)
        return path


class Sessions:
    """The sessions of all open pages, by the key of each page. Thread-safe.

    The sessions own `folder` and delete old files in it that belong to none of them.
    Together they hold at most `max_bytes`; a single session may exceed that.
    """

    def __init__(
        self,
        colorizers: Mapping[str, Colorizer],
        folder: Path,
        max_pixels: int,
        max_bytes: int = MAX_BYTES,
    ):
        self.colorizers, self.folder = colorizers, folder
        self.max_pixels, self.max_bytes = max_pixels, max_bytes
        self._lock = threading.Lock()
        self._opening: set[str] = set()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, key: str, data: bytes, name: str, run: str) -> Session:
        """Replace the image of a page by an upload, and predict its colors with a run.

        Raises `UserError`, and leaves the page as it was, if the upload is not a
        readable image. If the page is closed meanwhile, nothing is stored.
        """
        with self._lock:
            self._opening.add(key)
        try:
            image = images.read_full(data, name, self.max_pixels)
            prediction = self.colorizers[run].predict(image)
        except BaseException:
            with self._lock:
                self._opening.discard(key)
            raise
        preview = images.on_white(_limited(images.to_8_bits(image), PREVIEW))
        folder = self.folder / secrets.token_urlsafe(16)
        session = Session(name, data, preview, folder, {run: prediction})
        with self._lock:
            if key not in self._opening:
                return session
            self._opening.discard(key)
            replaced = self._sessions.pop(key, None)
            self._sessions[key] = session
        _delete_files(replaced)
        self._evict()
        return session

    def get(self, key: str, run: str) -> Session:
        """The session of a page, with a prediction of `run`.

        Raises `UserError` if the session was dropped.
        """
        with self._lock:
            if key not in self._sessions:
                raise UserError(
                    "the server no longer holds your picture; drop it again"
                )
            self._sessions.move_to_end(key)
            session = self._sessions[key]
        if run not in session.predictions:
            image = images.read_full(session.data, session.name, self.max_pixels)
            session.predictions[run] = self.colorizers[run].predict(image)
            self._evict()
        return session

    def close(self, key: str) -> None:
        """Drop the session of a page, and delete its files."""
        with self._lock:
            self._opening.discard(key)
            session = self._sessions.pop(key, None)
        _delete_files(session)

    def sweep(self, age: float = STRAY_SECONDS) -> None:
        """Delete files that are `age` seconds old and belong to no session, such as
        finished and unfinished uploads."""
        with self._lock:
            live = {session.folder for session in self._sessions.values()}
        for path in set(self.folder.iterdir()) - live:
            try:
                if time.time() - path.stat().st_mtime > age:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                pass  # an upload has finished and was renamed

    def _evict(self) -> None:
        """Drop the least recently used sessions while all hold too many bytes."""
        dropped = []
        with self._lock:
            nbytes = sum(session.nbytes for session in self._sessions.values())
            while nbytes > self.max_bytes and len(self._sessions) > 1:
                dropped.append(self._sessions.popitem(last=False)[1])
                nbytes -= dropped[-1].nbytes
        for session in dropped:
            _delete_files(session)


def _delete_files(session: Session | None) -> None:
    if session is not None:
        shutil.rmtree(session.folder, ignore_errors=True)


def _limited(
    image: UInt8[np.ndarray, "h w c"], side: int
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """The image, reduced so that its long side has at most `side` pixels."""
    scale = min(1.0, side / max(image.shape[:2]))
    height, width = (max(1, round(scale * n)) for n in image.shape[:2])
    return images.resize(image, (height, width))
