"""A page of a picture with its hints, those of a text among them: `place`."""

import dataclasses
from collections.abc import Sequence

from colorjax import images, words
from colorjax.apps.colorize.jobs import PLACES, Job
from colorjax.apps.colorize.stages import Photograph
from colorjax.apps.colorize.text import Text
from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.text import reading
from colorjax.words import Pair


def place(
    job: Job, page: images.Page, hints: Guide | None, text: Text | None
) -> Photograph:
    """A page with the hints of a text joined with others.

    If the network of the run reads text, it gets the nouns whose places are not given,
    and the others become hints. For other runs, all become hints.

    Writes a drawing of the regions beside the result if the command asks for it. Raises
    `UserError` as `words.locate` does. Where the place of a noun is not sure, writes
    the drawing, unless the result goes to standard output, and raises `UnsureError`,
    whose message names the drawing and the options that help.
    """
    if text is None:
        return Photograph(job, page, hints)
    if text.network is not None:
        given = {mark.noun for mark in text.marks}
        pairs = [p for p in text.pairs if p.noun and p.name not in given]
        if pairs:
            left = [p for p in text.pairs if p not in pairs]
            return _read(job, page, hints, text, pairs, left)
    size, drawing = page.picture.shape[:2], job.beside(PLACES)
    places = {mark.noun: mark.on(size) for mark in text.marks}
    regions = words.locate(text.pairs, page.picture, places)
    unsure = [region.pair.name for region in regions if not region.sure]
    if job.target is not None and (text.drawn or unsure):
        images.write(drawing, words.draw(page.picture, regions))
    try:
        guide = words.to_guide(regions, size, hints)
    except words.UnsureError as error:
        remedy = f"--box '{unsure[0]}=X0,Y0,X1,Y1' or --at '{unsure[0]}=X,Y'"
        shown = "" if job.target is None else f"; {drawing} shows the guess"
        message = f"{job.name}: {error}: {remedy}{shown}"
        raise words.UnsureError(regions, message) from error
    overruled = words.overruled(regions, hints, size) if hints else []
    notes = [f"hints win over the text on parts of: {name}" for name in overruled]
    return Photograph(job, page._replace(notes=[*page.notes, *notes]), guide)


def _read(
    job: Job,
    page: images.Page,
    hints: Guide | None,
    text: Text,
    pairs: Sequence[Pair],
    others: Sequence[Pair],
) -> Photograph:
    """A page whose guide has `pairs` of the text for the network, and hints for the
    `others`.

    Raises `UserError` if the network cannot read the pairs.
    """
    assert text.network is not None
    try:
        reading.check(pairs, text.network)
    except UserError as error:
        raise UserError(f"{job.name}: {error}") from error
    sentence = reading.sentence_of(pairs)
    notes = [f"the network reads '{sentence}' and finds the place"]
    rest = page
    if others:
        placed = place(
            job, page, hints, text._replace(pairs=tuple(others), network=None)
        )
        hints, rest = placed.guide, placed.page
        names = ", ".join(pair.name for pair in others)
        notes.append(f"hints fill the given places of: {names}")
    elif hints is not None and hints.has_places:
        notes.append("hints win over the text")
    guide = dataclasses.replace(hints, text=sentence) if hints else Guide(text=sentence)
    return Photograph(job, rest._replace(notes=[*rest.notes, *notes]), guide)
