"""A page of a picture with its hints, those of a text among them: `place`."""

from colorjax import images
from colorjax.apps.colorize.jobs import Job
from colorjax.apps.colorize.stages import Photograph
from colorjax.apps.guide.placing import place_text, with_text
from colorjax.apps.guide.text_options import PLACES, Text
from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.method import TextInput
from colorjax.text import reading
from colorjax.words.classes import find_classes


def place(
    job: Job, page: images.Page, hints: Guide | None, text: Text | None
) -> Photograph:
    """A page with the hints of a text joined with others.

    If the network of the run reads text, it gets the nouns whose places are not given,
    and the others become hints. For other runs, all become hints. A drawing of the
    regions goes beside the result, unless the result goes to standard output. Raises
    `UserError` as `place_text` does.
    """
    if text is None:
        return Photograph(job, page, hints)
    if text.network is not None:
        return _read(job, page, hints, text, text.network)
    drawing = None if job.target is None else job.beside(PLACES)
    guide, notes = place_text(job.name, page.picture, hints, text, drawing)
    return Photograph(job, page._replace(notes=[*page.notes, *notes]), guide)


def _read(
    job: Job, page: images.Page, hints: Guide | None, text: Text, network: TextInput
) -> Photograph:
    """`place` for a run whose network reads text.

    Raises `UserError` if the network cannot read the pairs whose places are not given,
    or if a place belongs to no noun.
    """
    given = {mark.noun for mark in text.marks}
    if unknown := given - {pair.name for pair in text.pairs}:
        raise UserError(f"{job.name}: '{min(unknown)}' is no noun of the text")
    others = tuple(x for x in text.pairs if not x.noun or x.name in given)
    pairs = [x for x in text.pairs if x not in others]
    notes = []
    if others:
        own = text._replace(pairs=others, network=None)
        _, page, hints = place(job, page, hints, own)
        names = ", ".join(pair.name for pair in others)
        notes.append(f"hints fill the given places of: {names}")
    if pairs:
        try:
            reading.check(pairs, network)
        except UserError as error:
            raise UserError(f"{job.name}: {error}") from error
        if hints is not None and hints.has_places:
            notes.append("hints win over the text")
        sentence = reading.sentence_of(pairs)
        notes.append(f"the network reads '{sentence}' and finds the place")
        options = {"--places": text.drawn, "--clip": text.finder is not find_classes}
        if unused := [name for name, is_given in options.items() if is_given]:
            notes.append(f"{' and '.join(unused)}: without effect on that place")
        hints = with_text(hints, sentence)
    return Photograph(job, page._replace(notes=[*page.notes, *notes]), hints)
