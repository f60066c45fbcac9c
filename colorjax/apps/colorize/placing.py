"""A page of a picture with its hints, those of a text among them: `place`."""

from colorjax import images
from colorjax.apps.colorize.jobs import Job
from colorjax.apps.colorize.stages import Photograph
from colorjax.apps.guide.placing import place_text
from colorjax.apps.guide.text_options import PLACES, Text
from colorjax.hints import Guide


def place(
    job: Job, page: images.Page, hints: Guide | None, text: Text | None
) -> Photograph:
    """A page with the hints of a text joined with others.

    A drawing of the regions goes beside the result, unless the result goes to standard
    output. Raises `UserError` as `place_text` does.
    """
    if text is None:
        return Photograph(job, page, hints)
    drawing = None if job.target is None else job.beside(PLACES)
    guide, notes = place_text(job.name, page.picture, hints, text, drawing)
    return Photograph(job, page._replace(notes=[*page.notes, *notes]), guide)
