"""What a person asks of the colors of a picture (`Guide`), and what that means for the
pixels that a network sees (`Hints`)."""

from colorjax.hints.exemplar import histogram, soft_codes
from colorjax.hints.guide import Guide
from colorjax.hints.pixels import Hints, locate
from colorjax.hints.places import NEUTRAL, RADIUS, Box, Point, check_color
from colorjax.hints.reading import from_json, load

__all__ = [
    "NEUTRAL",
    "RADIUS",
    "Box",
    "Guide",
    "Hints",
    "Point",
    "check_color",
    "from_json",
    "histogram",
    "load",
    "locate",
    "soft_codes",
]
