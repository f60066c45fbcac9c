"""The hints of a picture at another size, `scaled`, for a run that cannot use all,
`usable`, and without their text, `without_text`; a run at another guidance,
`guided`."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from colorjax.hints import Guide
from colorjax.inference.colorizer import Colorizer

GUIDED = 8  # runs with their programs, which compile for seconds


def scaled(guide: Guide | None, size: tuple[int, int]) -> Guide | None:
    """The guide for the same picture at another (height, width).

    Strokes that are enlarged and then reduced again are the same as before.
    """
    if guide is None or guide.strokes is None:
        return guide
    own = guide.strokes.shape[:2]
    if own == size:
        return guide
    if own[0] < size[0]:
        rows, columns = map(_smaller_index, size, own)
        return replace(guide, strokes=guide.strokes[np.ix_(rows, columns)])
    rows, columns = map(_smaller_index, own, size)
    strokes, opaque = np.zeros((*size, 4), np.uint8), guide.opaque().nonzero()
    strokes[rows[opaque[0]], columns[opaque[1]]] = guide.strokes[opaque]
    return replace(guide, strokes=strokes)


def _smaller_index(large: int, small: int) -> Int[np.ndarray, "large"]:
    """For each of `large` pixels in a row, the one of `small` pixels that covers it."""
    return np.arange(large) * small // large


def usable(guide: Guide | None, colorizer: Colorizer) -> Guide | None:
    """The hints that a run can use; `guide` itself if it can use all.

    A palette needs a distribution. An exemplar needs one, or a network that takes
    exemplars.
    """
    if guide is None or colorizer.has_logits:
        return guide
    exemplar = guide.exemplar if colorizer.takes_exemplars else None
    if not guide.palette and exemplar is guide.exemplar:
        return guide
    if not guide.has_places and exemplar is None:
        return None
    return replace(guide, palette=(), exemplar=exemplar)


def without_text(guide: Guide) -> Guide | None:
    """The guide without its text; None if it has nothing else."""
    has_colors = guide.palette or guide.exemplar is not None
    return replace(guide, text="") if guide.has_places or has_colors else None


@lru_cache(GUIDED)
def guided(colorizer: Colorizer, guidance: float | None) -> Colorizer:
    """A run whose network reads text, with another guidance; None is the run's own."""
    return colorizer if guidance is None else colorizer.with_options(guidance=guidance)
