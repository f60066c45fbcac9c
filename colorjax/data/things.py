"""Things in images, with their classes and boxes: `Thing`, `largest`."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

Box = tuple[float, float, float, float]
WHOLE: Box = 0.0, 0.0, 1.0, 1.0  # of an image
SMALLEST = 0.02  # of a window: what covers less of it has no color that one would name


class Thing(NamedTuple):
    """A thing: the number of its class, and its box.

    A box is (top, left, bottom, right), as fractions of the height and the width of the
    image.
    """

    label: int
    box: Box


def largest(things: Iterable[Thing], window: Box = WHOLE) -> Thing:
    """The thing whose box covers most of a window of an image; its box in the window.

    If none covers the share `SMALLEST`, the class is -1 and the box the whole window.
    """
    top, left, bottom, right = window
    origin = np.array([top, left, top, left])
    extent = np.array([bottom - top, right - left] * 2)
    most, best = SMALLEST, Thing(-1, WHOLE)
    for label, box in things:
        y0, x0, y1, x1 = np.clip((np.array(box) - origin) / extent, 0, 1).tolist()
        if (share := (y1 - y0) * (x1 - x0)) >= most:
            most, best = share, Thing(label, (y0, x0, y1, x1))
    return best
