"""The text of a picture on the page of `colorjax serve`: `PlacedText`, `read_things`.

The page edits the things of a text as JSON (`web/words.js`): what `things_of` gives,
and for each the place that the visitor gave. This module does not depend on Gradio.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from colorjax import images, words
from colorjax.apps import options
from colorjax.apps.guide.text_options import NEEDED
from colorjax.errors import UserError
from colorjax.hints import Guide, check_color
from colorjax.images import Picture
from colorjax.text.vocabulary import SIDES, color_name
from colorjax.words import Box, Pair, Place, Region, Spot

MAX_THINGS = 50  # of a picture
MAX_CHROMA = 10.0  # factor of the chroma of a color
LINE = 1 / 250  # of the short side: half the width of an outline
DASH = 1 / 40  # of the short side
FILL = {True: 40, False: 120}  # alpha in a region that is sure, and in one that is not
PLACES = {2: Spot, 4: Box}  # by their number of coordinates


class Thing(NamedTuple):
    """A pair of a noun and a color, and its place if the visitor gave one."""

    pair: Pair
    place: Place | None = None

    def to_json(self) -> dict[str, Any]:
        """What the page shows of the thing, and sends back."""
        levels = self.pair.levels()
        return self.pair._asdict() | {
            "place": self.place,
            "name": self.pair.name,
            "label": color_name(self.pair.color, self.pair.chroma),
            "look": "#" + bytes(levels).hex(),
        }


@dataclass(frozen=True, eq=False)
class PlacedText:
    """The things of a text and their regions, in the same order.

    A thing whose region is not sure gets no color until the visitor gives its place.
    """

    things: tuple[Thing, ...]
    regions: tuple[Region, ...]

    @property
    def sure(self) -> list[Region]:
        """The regions that get their colors."""
        return [region for region in self.regions if region.sure]

    def guide(self, size: tuple[int, int], hints: Guide | None) -> Guide | None:
        """The hints of the text on a picture of `size`, joined with others, which
        win."""
        return words.to_guide(self.sure, size, hints) if self.sure else hints

    def to_json(self, size: tuple[int, int], hints: Guide | None) -> dict[str, Any]:
        """What the page shows of the text over a picture of `size`.

        "regions" has for each name whether the region is sure, its center, and an
        overlay, as PNG in base 64. "overruled" names the things that hints recolor.
        """
        own = zip(self.things, self.regions, strict=True)
        regions = {
            thing.pair.name: {
                "sure": region.sure,
                "center": region.center,
                "overlay": _encode(overlay(region, size)),
            }
            for thing, region in own
        }
        overruled = words.overruled(self.sure, hints, size) if hints else []
        return {"regions": regions, "overruled": overruled}


def things_of(sentence: Any) -> list[dict[str, Any]]:
    """The things of a sentence that the visitor wrote, as the page keeps them.

    Raises `UserError` if the sentence is not understood, or if a package is missing.
    """
    options.need_extra("text", *NEEDED)
    return [Thing(pair).to_json() for pair in words.parse(str(sentence))]


def read_things(values: Any) -> list[Thing]:
    """The things that a page sends. Raises `UserError` if they are none."""
    if not isinstance(values, list) or len(values) > MAX_THINGS:
        raise UserError(f"a text is a list of at most {MAX_THINGS} things")
    try:
        return [_read_thing(**value) for value in values]
    except (TypeError, ValueError) as error:
        raise UserError("the page sent no text that can be read; reload it") from error


def place_text(
    things: Sequence[Thing], before: PlacedText | None, read: Callable[[], Picture]
) -> PlacedText | None:
    """The regions of things on the picture that `read` returns.

    Things that were the same `before` keep their regions; if all were, the picture is
    not read. Raises `UserError` as `words.locate` does.
    """
    if not things:
        return None
    known: dict[Thing, Region] = {}
    if before is not None:
        known |= zip(before.things, before.regions, strict=True)
    new = [thing for thing in things if thing not in known]
    if new:
        places = {x.pair.name: x.place for x in new if x.place is not None}
        regions = words.locate([thing.pair for thing in new], read(), places)
        known |= dict(zip(new, regions, strict=True))
    return PlacedText(tuple(things), tuple(known[thing] for thing in things))


def overlay(region: Region, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 4"]:
    """A transparent picture with the outline of a region and a tint of its color.

    The outline is dashed if the region is not sure.
    """
    ((_, mask),) = words.stacked([region], size)
    line = max(1, round(LINE * min(size)))
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
    rim, outer = (mask & (depth <= line * count) for count in (2, 1))
    drawing = np.zeros((*size, 4), np.uint8)
    drawing[mask] = *region.pair.levels(), FILL[region.sure]
    dash = max(2, round(DASH * min(size)))
    rows, columns = np.indices(size, sparse=True)
    drawn = np.ones(size, bool) if region.sure else (rows + columns) // dash % 2 == 0
    drawing[rim & drawn] = *region.pair.levels(), 255
    drawing[outer & drawn] = 255
    return drawing


def _encode(drawing: Picture) -> str:
    return base64.b64encode(images.encode(drawing, "PNG")).decode()


def _read_thing(
    noun: str,
    sides: Sequence[str],
    color: str,
    chroma: float | int,
    place: Sequence[float | int] | None,
    **_: Any,
) -> Thing:
    """A thing from the fields of its JSON. Raises `ValueError` if one is not valid."""
    pair = Pair(str(noun), tuple(map(str, sides)), color, float(chroma))
    check_color(color)
    if not {name for name, *_ in SIDES}.issuperset(pair.sides):
        raise ValueError(f"sides are {sides}")
    if not 0 < pair.chroma <= MAX_CHROMA:
        raise ValueError(f"chroma is {chroma}")
    return Thing(pair, None if place is None else _read_place(place))


def _read_place(values: Sequence[float | int]) -> Place:
    if len(values) not in PLACES:
        raise ValueError(f"place has {len(values)} coordinates")
    return PLACES[len(values)](*map(float, values))
