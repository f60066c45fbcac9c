"""A photograph on the page of `colorjax serve`: `Picture`.

A picture has the uploaded file, a preview of bounded size, and the prediction of each
run that was chosen. It is shown with different settings without running a network
again. Its full-size file is the one that `colorjax colorize` writes. This module does
not depend on Gradio.
"""

import shutil
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from colorjax import files, images
from colorjax.apps.guide.hint_files import HINTS
from colorjax.apps.serve.settings import Settings
from colorjax.apps.serve.texts import PlacedText
from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.compose import replace_ab
from colorjax.inference.decode import MAP, decode, uncertainty
from colorjax.inference.distribution import Distribution
from colorjax.inference.likeness import liken

PREVIEW = MAP  # pixels of the long side of a preview; `uncertainty` has the same size
MAX_PREDICTIONS = 32  # of a picture
THUMBNAIL = 180  # pixels of the long side of a thumbnail
PNG = ".png"
FILES_PER_KIND = 3  # a browser may still be fetching the last but one

Image = UInt8[np.ndarray, "h w 3"]
Steering = tuple[Guide | None, PlacedText | None, float | None]
Key = tuple[str, int | None, Steering | None]


@dataclass(eq=False)
class Picture:
    """An uploaded picture, and the folder of the files that the page shows of it.

    `settings` are those with which the page showed the picture last. `predictions`
    holds one distribution per run. Of a run that draws noise it holds one per seed, and
    of a run whose network takes hints, one for the last hints.
    """

    name: str
    data: bytes
    preview: Image
    folder: Path
    settings: Settings
    predictions: dict[Key, Distribution] = field(default_factory=dict)
    _fixed: dict[str, Path] = field(default_factory=dict)
    _recent: dict[str, deque[Path]] = field(default_factory=lambda: defaultdict(deque))
    _numbers: count = field(default_factory=count)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the picture holds."""
        arrays: list[np.ndarray] = [self.preview]
        if (hints := self.settings.hints) is not None:
            arrays += [x for x in (hints.strokes, hints.exemplar) if x is not None]
        if (text := self.settings.text) is not None:
            arrays += [region.mask for region in text.regions if region]
        for prediction in tuple(self.predictions.values()):
            arrays += [prediction.lightness, prediction.ab]
            arrays += [] if prediction.logits is None else [prediction.logits]
            if (likeness := prediction.likeness) is not None:
                arrays += [likeness.exemplar, likeness.preference]
        return len(self.data) + sum(array.nbytes for array in arrays)

    @property
    def suffixes(self) -> list[str]:
        """Suffixes that the result can have, the picture's own first."""
        own = Path(self.name).suffix.lower()
        return list(dict.fromkeys([own, PNG] if own in images.SUFFIXES else [PNG]))

    def read(self, max_pixels: int) -> images.Picture:
        """The picture at full size, which may have alpha or 16 bits."""
        return images.read_full(self.data, self.name, max_pixels)

    def predict(
        self, colorizer: Colorizer, settings: Settings, max_pixels: int
    ) -> tuple[Distribution, bool]:
        """The prediction with these settings, and whether the network ran for it."""
        seed = settings.seed if colorizer.draws_noise else None
        steering = None
        if colorizer.takes_hints and settings.has_hints:
            steering = settings.hints, settings.text, settings.used_guidance
        key = settings.run, seed, steering
        prediction = self.predictions.get(key)
        ran = prediction is None
        if prediction is None:
            image = self.read(max_pixels)
            guide = settings.guide(image.shape[:2]) if steering else None
            prediction = colorizer.predict(image, seed=seed, hints=guide)
            old = [other for other in self.predictions if steering and other[2]]
            for other in old:
                self.predictions.pop(other, None)
        prediction = liken(prediction, settings.hints, colorizer.features)
        self.predictions[key] = prediction
        while len(self.predictions) > MAX_PREDICTIONS:
            self.predictions.pop(next(iter(self.predictions)), None)
        return prediction, ran

    def colorize_preview(self, prediction: Distribution, settings: Settings) -> Image:
        """The preview in color. If the image is no larger, this is the full result."""
        return _decode(self.preview, prediction, settings)

    def write_thumbnail(self) -> Path:
        """The file of a small copy of the picture as it was uploaded."""
        if "thumbnail" not in self._fixed:
            small = limited(self.preview, THUMBNAIL)
            self._fixed["thumbnail"] = self._write_jpeg("thumbnail", small)
        return self._fixed["thumbnail"]

    def write_sample(
        self, place: int, prediction: Distribution, settings: Settings
    ) -> Path:
        """The file of a thumbnail in color, at a place in the row of variations."""
        small = limited(self.preview, THUMBNAIL)
        image = _decode(small, prediction, settings)
        return self._write_jpeg(f"sample {place}", image)

    def write_pair(
        self, prediction: Distribution, comparison: str, settings: Settings
    ) -> tuple[Path, Path]:
        """Files of the comparison image and of the preview in color.

        `comparison` is "grey", "original" or "uncertainty".
        """
        other = self._write_comparison(prediction, comparison, settings)
        colored = self.colorize_preview(prediction, settings)
        return other, self._write_jpeg("colored", colored)

    def write_full(
        self,
        prediction: Distribution,
        settings: Settings,
        suffix: str,
        max_pixels: int,
    ) -> Path:
        """A file with the size and depth of the image, in the format of `suffix`."""
        name, data = self.encode_full(prediction, settings, suffix, max_pixels)
        return self._write("full", name, data)

    def encode_full(
        self,
        prediction: Distribution,
        settings: Settings,
        suffix: str,
        max_pixels: int,
    ) -> tuple[str, bytes]:
        """The name and the bytes of the file that `write_full` writes."""
        page = images.read_page(self.data, self.name, max_pixels)
        options = settings.options(page.picture.shape[:2])
        colored = decode(prediction, page.picture, **options)
        name = f"{Path(self.name).stem}-colorized{suffix}"
        encoded = images.encode_file(
            [page._replace(picture=colored)],
            images.output_format(name),
            images.Settings(),
            self.name,
        )
        return name, encoded.data

    def encode_hints(self, prediction: Distribution) -> tuple[str, bytes]:
        """The name and the bytes of the file of hints that `colorize` reads and writes.

        Raises `UserError` if there are no hints.
        """
        guide = self.settings.guide(prediction.size)
        if guide is None:
            raise UserError(f"{self.name}: there are no hints yet")
        return self.name + HINTS, guide.to_json().encode()

    def write_hints(self, prediction: Distribution) -> Path:
        """The file of the hints. Raises `UserError` if there are none."""
        return self._write("hints", *self.encode_hints(prediction))

    def _write_comparison(
        self, prediction: Distribution, comparison: str, settings: Settings
    ) -> Path:
        if comparison == "uncertainty" and settings.has_hints:
            return self._write_jpeg(comparison, self._uncertainty(prediction, settings))
        kind = f"{comparison} of {settings.run}"
        if kind not in self._fixed:
            image = self.preview
            if comparison == "uncertainty":
                image = self._uncertainty(prediction, settings)
            elif comparison == "grey":
                grey = np.zeros((*self.preview.shape[:2], 2), np.float32)
                image = replace_ab(self.preview, grey)
            self._fixed[kind] = self._write_jpeg(kind, image)
        return self._fixed[kind]

    def _uncertainty(self, prediction: Distribution, settings: Settings) -> Image:
        size = self.preview.shape[:2]
        own = resized(prediction, settings, size)
        return uncertainty(own, hints=settings.guide(size))

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


def limited(
    image: UInt8[np.ndarray, "h w c"], side: int
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """The image, reduced so that its long side has at most `side` pixels."""
    scale = min(1.0, side / max(image.shape[:2]))
    height, width = (max(1, round(scale * n)) for n in image.shape[:2])
    return images.resize(image, (height, width))


def resized(
    prediction: Distribution, settings: Settings, size: tuple[int, int]
) -> Distribution:
    """The prediction for the picture at another size, with hints of these settings."""
    guide = settings.guide(size)
    json, text = ("", "") if guide is None else (guide.to_json(), guide.text)
    names = prediction.network_hints
    seen = {name: text if name == "text" else json for name in names}
    return replace(prediction, size=size, network_hints=seen)


def _decode(image: Image, prediction: Distribution, settings: Settings) -> Image:
    """The image, which has another size than the prediction, in color."""
    size = image.shape[:2]
    own = resized(prediction, settings, size)
    return decode(own, image, **settings.options(size))
