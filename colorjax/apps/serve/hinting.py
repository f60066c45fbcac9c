"""The event handlers of the hints on the page of `colorjax serve`: `HintEvents`.

The page edits the hints as JSON (`web/hints.js`). Its strokes have the size of the
preview; files of hints have strokes of the size of the picture.
"""

from functools import partial
from typing import Any

import gradio as gr
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from colorjax.apps.serve.events import key_of
from colorjax.apps.serve.guides import scaled, usable, without_text
from colorjax.apps.serve.pictures import Picture, resized
from colorjax.apps.serve.sessions import Session, Sessions
from colorjax.apps.serve.texts import (
    PlacedText,
    Thing,
    place_text,
    read_guidance,
    read_things,
    things_of,
)
from colorjax.apps.serve.views import Views
from colorjax.color import into_gamut, lab_to_rgb
from colorjax.errors import UserError
from colorjax.hints import Guide, from_json
from colorjax.inference.distribution import Distribution
from colorjax.inference.suggest import likely_colors

COLORS = 5  # likely ones that the page offers for a place
ADVICE = 3  # places where a hint would help most
MAX_TEXT = 1 << 25  # characters of hints that a page sends
NO_DISTRIBUTION = (
    "a palette and the colors of another picture need a model that predicts a "
    "distribution; this one predicts one color for each place"
)
MAX_HINTS = 1000  # points or boxes of a picture, or colors of its palette


class HintEvents:
    """The event handlers of the hints, which belong to the picture on the page."""

    def __init__(self, sessions: Sessions, views: Views):
        self.sessions, self.views = sessions, views

    def change_hints(self, value: Any, comparison: str, request: gr.Request):
        """The visitor changed the hints: update the pair of images and the command."""
        session, picture = self.sessions.get(key_of(request))
        fields = "picture", "hints", "text", "guidance"
        name, hints, text, guidance = _fields(value, *fields)
        if name != picture.folder.name:  # another picture was chosen meanwhile
            return gr.skip(), gr.skip(), self.views.regions(picture)
        guide, things = self._read(hints) if hints else None, read_things(text)
        placed = self._place(picture, things)
        self._use(picture, guide, placed, read_guidance(guidance))
        shown = self.views.shown(session, picture, comparison)
        return *shown, self.views.regions(picture)

    def understand(self, sent: gr.EventData, request: gr.Request):
        """The visitor wrote a text: answer with its things."""
        self.sessions.get(key_of(request))
        return {"things": things_of(*_fields(sent._data, "sentence"))}

    def load_hints(self, comparison: str, sent: gr.EventData, request: gr.Request):
        """The visitor chose a file of hints: use them instead of those on the page."""
        session, picture = self.sessions.get(key_of(request))
        guide = self._read(*_fields(sent._data, "text"))
        guide.check_size(self._predict(session, picture).size)
        hints = scaled(without_text(guide), picture.preview.shape[:2])
        things = read_things(things_of(guide.text)) if guide.text else []
        placed = self._place(picture, things)
        self._use(picture, hints, placed, picture.settings.guidance)
        shown = self.views.shown(session, picture, comparison)
        return self.views.hints(picture) | {"loaded": True}, *shown

    def save_hints(self, request: gr.Request):
        """The visitor asked for the file of the hints."""
        session, picture = self.sessions.get(key_of(request))
        return str(picture.write_hints(self._predict(session, picture)))

    def suggest(self, sent: gr.EventData, request: gr.Request):
        """The visitor chose a place: answer with its L and its likeliest colors."""
        session, picture = self.sessions.get(key_of(request))
        x, y = map(_fraction, _fields(sent._data, "x", "y"))
        prediction = self._predict(session, picture)
        lightness, ab = likely_colors(prediction, x, y, COLORS)
        colors = list(dict.fromkeys(_hex_colors(lightness, ab)))
        return {"lightness": lightness, "colors": colors}

    def advise(self, request: gr.Request):
        """The visitor asked where a hint would help most."""
        session, picture = self.sessions.get(key_of(request))
        size = picture.preview.shape[:2]
        prediction = self._predict(session, picture)
        prediction = resized(prediction, picture.settings, size)
        places = prediction.hint_locations(ADVICE, picture.settings.guide(size))
        height, width = size
        advice = [[(x + 0.5) / width, (y + 0.5) / height] for y, x in places]
        return {"advice": advice}

    def _predict(self, session: Session, picture: Picture) -> Distribution:
        return self.sessions.predict(session, picture, picture.settings)

    def _read(self, text: Any) -> Guide:
        """The guide in JSON. Raises `UserError` if the page may not send it."""
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise UserError(f"hints are JSON of at most {MAX_TEXT >> 20} MB")
        return from_json(text, self.sessions.max_pixels)

    def _place(self, picture: Picture, things: list[Thing]) -> PlacedText | None:
        """The regions of things on a picture, and what the network of its run reads."""
        own, read = picture.settings, partial(picture.read, self.sessions.max_pixels)
        network = self.views.colorizers[own.run].text
        return place_text(things, own.text, read, network)

    def _use(
        self,
        picture: Picture,
        hints: Guide | None,
        text: PlacedText | None,
        guidance: float | None,
    ) -> None:
        """Give the picture other hints. Raises `UserError` if it cannot have them."""
        colorizer = self.views.colorizers[picture.settings.run]
        if usable(hints, colorizer) is not hints:
            raise UserError(NO_DISTRIBUTION)
        if hints is not None:
            hints.check_size(picture.preview.shape[:2])
            counts = map(len, (hints.points, hints.boxes, hints.palette))
            if max(counts) > MAX_HINTS:
                raise UserError(f"these are more than {MAX_HINTS} hints")
        own = picture.settings
        picture.settings = own._replace(hints=hints, text=text, guidance=guidance)


def _fields(value: Any, *keys: str) -> list[Any]:
    """The values of keys that a page sends. Raises `UserError` if one is missing."""
    if not isinstance(value, dict) or not value.keys() >= set(keys):
        raise UserError("the page sent no hints that can be read; reload it")
    return [value[key] for key in keys]


def _fraction(value: Any) -> float:
    """A coordinate of a place. Raises `UserError` if it is outside of the picture."""
    if not isinstance(value, float | int) or not 0 <= value <= 1:
        raise UserError("this place is outside of the picture")
    return float(value)


def _hex_colors(lightness: float, ab: Float[np.ndarray, "k 2"]) -> list[str]:
    """The colors as "#rrggbb", with the chroma that the gamut holds at this L."""
    lab = np.full((COLORS, 3), lightness, np.float32)
    lab[: len(ab), 1:] = ab
    levels = np.asarray(_to_levels(jnp.asarray(lab)))[: len(ab)]
    return ["#" + bytes(color).hex() for color in levels]


@jax.jit
def _to_levels(lab: Float[Array, "k 3"]) -> UInt8[Array, "k 3"]:
    return jnp.round(255 * lab_to_rgb(into_gamut(lab))).astype(jnp.uint8)
