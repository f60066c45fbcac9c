"""From the regions of a text to hints: `to_guide`; from the text itself: `guide`."""

from collections.abc import Mapping, Sequence

import numpy as np

from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.inference.pictures import Source, read_picture
from colorjax.text.parse import parse
from colorjax.words.classes import Finder, find_classes
from colorjax.words.places import Place, Region, locate, stacked


class UnsureError(UserError):
    """It is not certain where the things of a text are. `regions` are those of all
    pairs.

    `places.draw` shows them.
    """

    def __init__(self, regions: Sequence[Region], message: str | None = None):
        super().__init__(message or _question(regions))
        self.regions = list(regions)


def guide(
    sentence: str,
    picture: Source,
    places: Mapping[str, Place] | None = None,
    hints: Guide | None = None,
    finder: Finder = find_classes,
) -> Guide:
    """The hints for a picture that a sentence asks for, such as "make the car red".

    `picture` is in any form that `Colorizer` takes. `places` say where things are, by
    the noun, or by sides and noun as in "left flower". `hints` are joined with those of
    the sentence; where both color a pixel, `hints` win. `finder` is that of `locate`.
    The same arguments give the same result. Raises `UnsureError` if a place has to be
    confirmed, and `UserError` if the sentence is not understood, as `parse` and
    `locate` do.
    """
    pairs = parse(sentence)
    pixels = read_picture(picture)
    return to_guide(locate(pairs, pixels, places, finder), pixels.shape[:2], hints)


def to_guide(
    regions: Sequence[Region], size: tuple[int, int], hints: Guide | None = None
) -> Guide:
    """Strokes that fill the regions, on a picture of `size`, joined with `hints`.

    The guide has `only_here`, because what the text does not name keeps its colors.
    Raises `UnsureError` if a region is not sure.
    """
    if not all(region.sure for region in regions):
        raise UnsureError(regions)
    strokes = np.zeros((*size, 4), np.uint8)
    for region, mask in stacked(regions, size):
        x, y = region.center
        mask[min(int(y * size[0]), size[0] - 1), min(int(x * size[1]), size[1] - 1)] = 1
        strokes[mask] = *region.pair.levels(), 255
    own = Guide(strokes=strokes, only_here=True)
    if hints is None:
        return own
    hints.check_size(size)
    return own.joined(hints)


def overruled(
    regions: Sequence[Region], hints: Guide, size: tuple[int, int]
) -> list[str]:
    """The names of the things that a hint recolors in part, because hints win."""
    own = hints.covered(size)
    return [r.pair.name for r, mask in stacked(regions, size) if (mask & own).any()]


def _question(regions: Sequence[Region]) -> str:
    """Which things of the regions are not sure to be where they seem to be."""
    guesses = []
    for region in (region for region in regions if not region.sure):
        x, y = (round(100 * part) for part in region.center)
        guesses.append(f"the {region.pair.name}, perhaps at {x}%,{y}%")
    return f"not sure where to find {'; '.join(guesses)}; give a box or a point"
