"""The hints of a picture at another size, and for a run without a distribution:
`scaled`, `places_only`."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from colorjax.hints import Guide


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


def places_only(guide: Guide | None) -> Guide | None:
    """The hints that have places. A palette and an exemplar need a distribution."""
    if guide is None or not guide.has_places:
        return None
    return replace(guide, palette=(), exemplar=None)
