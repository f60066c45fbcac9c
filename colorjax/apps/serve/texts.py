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
from colorjax.apps.guide.placing import with_text
from colorjax.apps.guide.text_options import NEEDED
from colorjax.errors import UserError
from colorjax.hints import Guide, check_color
from colorjax.images import Picture
from colorjax.method import TextInput
from colorjax.text import reading
from colorjax.text.vocabulary import SIDES, color_name
from colorjax.words import Box, Pair, Place, Region, Spot

MAX_THINGS = 50  # of a picture
MAX_CHROMA = 10.0  # factor of the chroma of a color
LINE = 1 / 250  # of the short side: half the width of an outline
DASH = 1 / 40  # of the short side
FILL = {True: 40, False: 120}  # alpha in a region that is sure, and in one that is not
PLACES = {2: Spot, 4: Box}  # by their number of coordinates
GUIDANCES = [i / 2 for i in range(21)]  # that the page offers


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

    A thing whose region is not sure gets no color until the visitor gives its place. A
    thing that the network of the run finds has no region; `sentence` is what the
    network reads.
    """

    things: tuple[Thing, ...]
    regions: tuple[Region | None, ...]
    sentence: str = ""

    @property
    def sure(self) -> list[Region]:
        """The regions that get their colors."""
        return [region for region in self.regions if region and region.sure]

    @property
    def has_effect(self) -> bool:
        """Whether the text colors anything yet."""
        return bool(self.sure or self.sentence)

    def guide(self, size: tuple[int, int], hints: Guide | None) -> Guide | None:
        """The hints of the text on a picture of `size`, joined with others, which
        win; and the sentence for the network."""
        if self.sure:
            hints = words.to_guide(self.sure, size, hints)
        return with_text(hints, self.sentence) if self.sentence else hints

    def to_json(self, size: tuple[int, int], hints: Guide | None) -> dict[str, Any]:
        """What the page shows of the text over a picture of `size`.

        "regions" has what `_shown` makes of each region, by the name of its thing.
        "overruled" names the things that hints recolor. "reads" is the sentence.
        """
        names = [thing.pair.name for thing in self.things]
        shown = [_shown(region, size) for region in self.regions]
        overruled = words.overruled(self.sure, hints, size) if hints else []
        regions = dict(zip(names, shown, strict=True))
        return {"regions": regions, "overruled": overruled, "reads": self.sentence}


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


def read_guidance(value: Any) -> float | None:
    """The guidance that a page sends; None is the run's own.

    Raises `UserError` if the page does not offer it.
    """
    if value is not None and value not in GUIDANCES:
        raise UserError(f"guidance goes from 0 to {GUIDANCES[-1]:g} in steps of 0.5")
    return None if value is None else float(value)


def place_text(
    things: Sequence[Thing],
    before: PlacedText | None,
    read: Callable[[], Picture],
    network: TextInput | None = None,
) -> PlacedText | None:
    """The regions of things on the picture that `read` returns.

    The `network` finds those that it reads. Others that were the same `before` keep
    their regions; if all were, the picture is not read. Raises `UserError` as
    `words.locate` does.
    """
    if not things:
        return None
    regions: dict[Thing, Region | None] = dict.fromkeys(_readable(things, network))
    sentence = reading.sentence_of([thing.pair for thing in regions])
    if before is not None:
        old = zip(before.things, before.regions, strict=True)
        regions = {thing: region for thing, region in old if region} | regions
    new = [thing for thing in things if thing not in regions]
    if new:
        places = {x.pair.name: x.place for x in new if x.place is not None}
        located = words.locate([thing.pair for thing in new], read(), places)
        regions |= dict(zip(new, located, strict=True))
    return PlacedText(tuple(things), tuple(regions[x] for x in things), sentence)


def _readable(things: Sequence[Thing], network: TextInput | None) -> list[Thing]:
    """The things that a network finds: the first ones without a place, at most as many
    as it was trained with.

    It knows neither sides nor a name for the whole picture.
    """
    if network is None:
        return []
    free = [x for x in things if x.place is None and x.pair.noun and not x.pair.sides]
    return free[: network.pairs]


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


def _shown(region: Region | None, size: tuple[int, int]) -> dict[str, Any]:
    """What the page shows of a region: whether it is sure, its center, and an overlay
    as PNG in base 64. Without a region, the network finds the thing."""
    if region is None:
        return {"sure": True, "center": (0.5, 0.5), "overlay": None}
    drawing = _encode(overlay(region, size))
    return {"sure": region.sure, "center": region.center, "overlay": drawing}


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
