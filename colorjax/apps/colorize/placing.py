"""A page of a picture with its hints, those of a text among them: `place`."""

from colorjax import images, words
from colorjax.apps.colorize.jobs import PLACES, Job
from colorjax.apps.colorize.stages import Photograph
from colorjax.apps.colorize.text import Text
from colorjax.hints import Guide


def place(
    job: Job, page: images.Page, hints: Guide | None, text: Text | None
) -> Photograph:
    """A page with the hints of a text joined with others.

    Writes a drawing of the regions beside the result if the command asks for it. Raises
    `UserError` as `words.locate` does. Where the place of a noun is not sure, writes
    the drawing, unless the result goes to standard output, and raises `UnsureError`,
    whose message names the drawing and the options that help.
    """
    if text is None:
        return Photograph(job, page, hints)
    size, drawing = page.picture.shape[:2], job.beside(PLACES)
    places = {mark.noun: mark.on(size) for mark in text.marks}
    regions = words.locate(text.pairs, page.picture, places, text.finder)
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
