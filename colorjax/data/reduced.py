"""Images as training reads them: `Reduced`."""

from typing import NamedTuple

from colorjax import images
from colorjax.data.cache import ImageCache, Pixels
from colorjax.data.sources import EncodedImage


class Reduced(NamedTuple):
    """Reads images with as few pixels as training needs.

    The short side of an image has `short` pixels or more, unless that of its file has
    fewer. A `cache` changes no image.
    """

    short: int
    cache: ImageCache | None = None

    def read(self, encoded: EncodedImage, name: str) -> Pixels:
        """The pixels of an image file. Raises `UserError` where it cannot be read.

        The cache stores only images that take fewer bytes than their files.
        """
        if self.cache is None or not encoded.version:
            return images.read(encoded.data, name, self.short)
        key = f"{images.DECODER}\n{self.short}\n{encoded.version}"
        if (pixels := self.cache.get(key)) is not None:
            return pixels
        data = encoded.data
        pixels = images.read(data, name, self.short)
        if pixels.nbytes < len(data):
            self.cache.put(key, pixels)
        return pixels
