"""The places of the things of a text, `locate`, and a drawing of them, `draw`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from colorjax import images
from colorjax.config import check_type
from colorjax.errors import UserError
from colorjax.images import Picture
from colorjax.text.parse import Pair
from colorjax.words import classes
from colorjax.words.classes import SURE, Find, Finder, find_classes
from colorjax.words.grow import grow, lightness_of

REACH = 0.4  # of the short side: a thing around a point ends there
TINY = 1e-6  # logits
OVERLAP = 0.1  # of the side: a thing on the left may reach over the middle
LONGEST = 1024  # pixels of the long side of a drawing
DIM = 0.5  # of the levels outside of the regions of a drawing


class Box(NamedTuple):
    """A rectangle around a thing, in fractions of the picture's sides."""

    x0: float
    y0: float
    x1: float
    y1: float


class Spot(NamedTuple):
    """A point inside a thing, in fractions of the picture's sides."""

    x: float
    y: float


Place = Box | Spot


class Region(NamedTuple):
    """The place of a thing.

    `mask` has a short side of `grow.SIDE` pixels. `center` is (x, y), inside the thing,
    in fractions of the picture's sides. `certainty` and `limit` are those of
    `classes.NounMap`; the certainty is infinite where a person gave the place.
    """

    pair: Pair
    mask: Bool[np.ndarray, "h w"]
    center: tuple[float, float]
    certainty: float = math.inf
    limit: float = SURE

    @property
    def sure(self) -> bool:
        """Whether the place needs no question."""
        return self.certainty >= self.limit


def locate(
    pairs: Sequence[Pair],
    picture: Picture,
    places: Mapping[str, Place] | None = None,
    finder: Finder = find_classes,
) -> list[Region]:
    """The regions of the pairs of a text, in the same order.

    `places` are those that a person gives, by `Pair.name`. Other nouns are searched by
    `finder`: `find_classes` or a `clip_finder`. Raises `UserError` if a place is
    outside of the picture or belongs to no noun, or if the extra `text` is not
    installed.
    """
    places = places or {}
    check_names(places, pairs)
    for name, place in places.items():
        _check(name, place)
    lightness = lightness_of(picture)
    regions, find = [], None
    for pair in pairs:
        if pair.name in places:
            likely, center = _around(places[pair.name], lightness.shape)
            regions.append(Region(pair, grow(lightness, likely, center), center))
        elif not pair.noun:
            regions.append(_side(pair, lightness.shape))
        else:
            find = find or finder(picture)
            regions.append(_search(pair, find, lightness))
    return regions


def check_names(names: Iterable[str], pairs: Sequence[Pair]) -> None:
    """Raise `UserError` unless each name is that of a pair."""
    known = [pair.name for pair in pairs]
    for name in names:
        if name not in known:
            nouns = ", ".join(f"'{own}'" for own in known)
            raise UserError(f"'{name}' is no noun of the text; it has {nouns}")


def draw(picture: Picture, regions: Sequence[Region]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The grey picture with the regions tinted in their colors, the rest dark.

    Numbered rings, in the order of the text, mark the centers of regions that are not
    sure.
    """
    small = images.on_white(images.to_8_bits(picture))
    scale = min(1.0, LONGEST / max(small.shape[:2]))
    height, width = (max(1, round(scale * count)) for count in small.shape[:2])
    grey = images.resize(small, (height, width)).mean(-1, keepdims=True)
    drawing = np.repeat(DIM * grey, 3, axis=2)
    for region, mask in stacked(regions, (height, width)):
        drawing[mask] = (grey[mask] + np.array(region.pair.levels())) / 2
    unsure = [region.center for region in regions if not region.sure]
    rings = [(int(y * height), int(x * width)) for x, y in unsure]
    return images.mark(drawing.astype(np.uint8), rings)


def stacked(
    regions: Sequence[Region], size: tuple[int, int]
) -> list[tuple[Region, Bool[np.ndarray, "h w"]]]:
    """The regions with their masks at a size, the largest first.

    So a thing in front of a larger one is not hidden by it.
    """
    order = sorted(regions, key=lambda region: -region.mask.sum())
    return [(r, images.resize(r.mask.astype(np.float32), size) >= 0.5) for r in order]


def _side(pair: Pair, shape: tuple[int, ...]) -> Region:
    """The whole picture, or the half or quarter of it on the sides of a pair."""
    mask = classes.on_sides(shape, pair.sides)
    y, x = (
        float(axis.mean()) / count
        for axis, count in zip(mask.nonzero(), shape, strict=True)
    )
    return Region(pair, mask, (x, y))


def _search(pair: Pair, find: Find, lightness: UInt8[np.ndarray, "h w"]) -> Region:
    """The region of a noun that a network points to."""
    result = find(pair.noun, pair.sides)
    likely = _upsampled(result, lightness.shape)
    likely /= max(float(result.map[result.peak]), TINY)
    likely[~classes.on_sides(lightness.shape, pair.sides, OVERLAP)] = -1
    y, x = (
        (at + result.offset) / count
        for at, count in zip(result.peak, result.map.shape, strict=True)
    )
    mask = grow(lightness, likely, (x, y))
    return Region(pair, mask, (x, y), result.certainty, result.limit)


def _upsampled(
    noun: classes.NounMap, size: tuple[int, ...]
) -> Float[np.ndarray, "h w"]:
    """The map of a noun at each pixel of the picture, which has this size."""
    half = 0.5 / classes.STRIDE  # of a pixel, in places of the map
    at = [
        (np.arange(count) + 0.5) / count * full - half - noun.offset
        for count, full in zip(size, noun.map.shape, strict=True)
    ]
    grid = np.meshgrid(*at, indexing="ij")
    from scipy import ndimage  # slow, and imported by all commands otherwise

    return ndimage.map_coordinates(noun.map, grid, order=1, mode="nearest")


def _around(
    place: Place, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "h w"], tuple[float, float]]:
    """How likely each pixel is part of the thing at a place; and the place's center."""
    height, width = shape
    y, x = (np.arange(height) + 0.5)[:, None], np.arange(width) + 0.5
    if isinstance(place, Spot):
        distance = np.hypot(y - place.y * height, x - place.x * width)
        return 1 - distance / (REACH * min(shape)), (place.x, place.y)
    center = (place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2
    right = np.abs(x / width - center[0]) / max((place.x1 - place.x0) / 2, 1 / width)
    down = np.abs(y / height - center[1]) / max((place.y1 - place.y0) / 2, 1 / height)
    inside = (right <= 1) & (down <= 1)
    return np.where(inside, np.maximum(1 - right**2 - down**2, 0.01), -1.0), center


def _check(name: str, place: Place) -> None:
    """Raise `UserError` unless a place is inside the picture and a box has an area."""
    for value in place:
        check_type(f"the place of '{name}'", value, float)
    if not all(0 <= value <= 1 for value in place):
        raise UserError(f"the place of '{name}' is not inside the picture")
    if isinstance(place, Box) and not (place.x0 < place.x1 and place.y0 < place.y1):
        raise UserError(f"the box of '{name}' must go from upper left to lower right")
