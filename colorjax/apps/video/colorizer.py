"""The colours of a film's pictures, one after another: `VideoColorizer`."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from colorjax import images
from colorjax.apps.video.reader import Film, Picture
from colorjax.apps.video.temporal import Followed, follow
from colorjax.apps.video.writer import ColoredFrame, is_halved
from colorjax.apps.video.ycbcr import chroma_planes
from colorjax.inference import upsample
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution, no_logits_error

FINE = 256  # pixels of the short side, or more, that motion is sought on


@dataclass(frozen=True)
class Options:
    """`batch` pictures at a time in the net; the others are those of
    `colorjax.decode.decode`."""

    batch: int = 8
    temperature: float | None = None
    saturation: float = 1.0
    palette: str | None = None


class VideoColorizer:
    """Colours pictures of a film with a colorizer.

    Raises `UserError` for options that need a distribution which the method does not
    give.
    """

    def __init__(self, colorizer: Colorizer, film: Film, options: Options):
        self.colorizer, self.film, self.options = colorizer, film, options
        self.temperature = None
        if colorizer.has_logits:
            self.temperature = options.temperature or colorizer.temperature
        elif options.temperature or options.palette:
            raise no_logits_error(colorizer.source)

    def __call__(
        self, pictures: Iterable[Picture], before: Followed | None
    ) -> Iterator[tuple[ColoredFrame, Followed]]:
        """Each picture with its colours, and what is to be given as `before` for those
        that come next."""
        pictures = iter(pictures)
        while some := list(itertools.islice(pictures, self.options.batch)):
            levels = [self._levels(picture) for picture in some]
            given = [np.repeat(grey[..., None], 3, axis=2) for grey in levels]
            found = self.colorizer.predict(given, self.options.batch)
            for picture, grey, one in zip(some, levels, found, strict=True):
                before = follow(before, _fine(grey, one), one, self._decode)
                yield self._coloured(picture, one, before), before

    def _levels(self, picture):
        return np.round(255 * self.film.coding.grey(picture.luma)).astype(np.uint8)

    def _decode(self, found: Distribution) -> np.ndarray:
        return found.decode(self.temperature, self.options.palette)

    def _coloured(self, picture, found, followed):
        ab = np.float32(self.options.saturation) * followed.ab
        guide = upsample.fit(found.lightness, ab)
        planes = chroma_planes(
            picture.luma, guide, self.film.coding, is_halved(self.film)
        )
        return ColoredFrame(picture, planes)


def _fine(grey, found):
    """The picture at a multiple of the working size with `FINE` pixels, or more."""
    height, width = found.lightness.shape
    factor = math.ceil(FINE / min(height, width))
    return images.resize(grey, (factor * height, factor * width))
