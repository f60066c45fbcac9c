"""Text as hints: from "make the car red" to a `Guide`.

`parse` reads pairs of a noun and a color, `locate` finds their places in a picture, and
`to_guide` makes hints of them; `guide` does all three. `clip_finder` finds places by
CLIP instead of a classifier.
"""

from colorjax.text.parse import Pair, parse
from colorjax.words.clip import clip_finder
from colorjax.words.guide import UnsureError, guide, overruled, to_guide
from colorjax.words.places import (
    Box,
    Place,
    Region,
    Spot,
    check_names,
    draw,
    locate,
    stacked,
)

__all__ = [
    "Box",
    "Pair",
    "Place",
    "Region",
    "Spot",
    "UnsureError",
    "check_names",
    "clip_finder",
    "draw",
    "guide",
    "locate",
    "overruled",
    "parse",
    "stacked",
    "to_guide",
]
