"""The hints that a text becomes on a picture, `place_text`, or the text that a network
reads, `with_text`."""

import dataclasses
from pathlib import Path

from colorjax import images, words
from colorjax.apps.guide.text_options import Text
from colorjax.hints import Guide
from colorjax.images import Picture


def place_text(
    name: str, picture: Picture, hints: Guide | None, text: Text, drawing: Path | None
) -> tuple[Guide, list[str]]:
    """The hints of a text for a picture, joined with others, and notes for the user.

    `name` is that of the picture in messages. `drawing` is the file for a drawing of
    the regions, if there may be one; it is written if the text asks for it. Raises
    `UserError` as `words.locate` does. Where the place of a noun is not sure, writes
    the drawing and raises `UnsureError`, whose message names the drawing and the
    options that help.
    """
    size = picture.shape[:2]
    places = {mark.noun: mark.on(size) for mark in text.marks}
    regions = words.locate(text.pairs, picture, places, text.finder)
    unsure = [region.pair.name for region in regions if not region.sure]
    if drawing is not None and (text.drawn or unsure):
        images.write(drawing, words.draw(picture, regions))
    try:
        guide = words.to_guide(regions, size, hints)
    except words.UnsureError as error:
        remedy = f"--box '{unsure[0]}=X0,Y0,X1,Y1' or --at '{unsure[0]}=X,Y'"
        shown = "" if drawing is None else f"; {drawing} shows the guess"
        message = f"{name}: {error}: {remedy}{shown}"
        raise words.UnsureError(regions, message) from error
    overruled = words.overruled(regions, hints, size) if hints else []
    notes = [f"hints win over the text on parts of: {name}" for name in overruled]
    return guide, notes


def with_text(hints: Guide | None, sentence: str) -> Guide:
    """The hints with a text for a network that reads words."""
    return dataclasses.replace(hints or Guide(text=sentence), text=sentence)
