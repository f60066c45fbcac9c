"""From an encoded image to an example: decoding, resizing, cropping, mirroring.

An example is a dict of NumPy arrays, one entry of a batch (see `data.pipeline`). Its
image is uint8 [side side 3]. An image that cannot be read becomes a black one with
"mask" 0, so that it changes the place of no other image.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from colorjax import images
from colorjax.data.reduced import Reduced
from colorjax.data.sources import EncodedImage, Source
from colorjax.data.things import WHOLE, Box
from colorjax.data.words import Words
from colorjax.errors import UserError

Example = dict[str, Any]


def training_example(
    source: Source,
    reduced: Reduced,
    resize: int,
    crop: int,
    zoom: float,
    mirror: bool,
    words: Words,
    index: int,
    rng: np.random.Generator,
) -> Example:
    """A random square crop of side `crop`, mirrored half of the time if `mirror`.

    The image's short side is `resize` times a random factor from 1 to `zoom`, whose
    logarithm is uniform. `words` makes further entries.
    """
    top, left, flip, amount = rng.random(4)
    mirrored = mirror and bool(flip < 0.5)

    def more(encoded: EncodedImage, window: Box) -> Example:
        return words.read(encoded, window, mirrored, rng)

    short, place = round(resize * zoom**amount), (top, left)
    return _example(source, index, short, crop, place, mirrored, reduced, more)


def evaluation_example(
    source: Source,
    side: int,
    others: Source | None,
    reduced: Reduced | None,
    index: int,
) -> Example:
    """The center square of side `side`, the short side of the resized image.

    An `index` past the end of the source gives padding, with "index" -1. With `others`
    the example has an "other" image, drawn from there by `index`. With `reduced`
    it is made of a reduced image, as in training.
    """

    def center(source, index):
        if index >= len(source):
            return _blank(side, -1)
        return _example(source, index, side, side, (0.5, 0.5), False, reduced)

    example = center(source, index)
    if others is not None:
        drawn = int(np.random.default_rng(index).integers(len(others)))
        example["other"] = center(others, drawn)["image"]
    return example


def join_example(pair: tuple[Example, Example]) -> Example:
    """The first example with the image, mask and index of the second as "other"."""
    example, other = pair
    return example | {
        "other": other["image"],
        "other_mask": other["mask"],
        "other_index": other["index"],
    }


def _example(
    source: Source,
    index: int,
    short: int,
    side: int,
    corner: tuple[float, float],
    mirror: bool,
    reduced: Reduced | None,
    more: Callable[[EncodedImage, Box], Example] = lambda encoded, window: {},
) -> Example:
    """A square of `side` pixels from the image with a short side of `short` pixels.

    `corner` is (top, left) as fractions, 0 to 1, of the largest possible offsets.
    `more` makes further entries from the image and the box of the square in it.
    """
    try:
        encoded = source[index]
        name = source.name(index)
        if reduced is None:
            image = images.read(encoded.data, name)
        else:
            image = reduced.read(encoded, name)
    except (UserError, OSError):
        return _blank(side, index) | more(EncodedImage(bytes), WHOLE)
    size = images.short_size(image, short)
    top, left = (int(c * (n - side + 1)) for c, n in zip(corner, size, strict=True))
    height, width = size
    window = top / height, left / width, (top + side) / height, (left + side) / width
    image = images.resize(image, size, (top, left, side, side))
    if mirror:
        image = image[:, ::-1]
    return {
        "image": np.ascontiguousarray(image),
        "mask": np.float32(1),
        "index": np.int32(index),
        "label": np.int32(encoded.label),
    } | more(encoded, window)


def _blank(side: int, index: int) -> Example:
    return {
        "image": np.zeros((side, side, 3), np.uint8),
        "mask": np.float32(0),
        "index": np.int32(index),
        "label": np.int32(-1),
    }
