"""Values of a grid at places between its points."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def interpolate(
    grid: Float[np.ndarray, "h w c"], places: Sequence[np.ndarray]
) -> Float[np.ndarray, "h2 w2 c"]:
    """Bilinear interpolation at all pairs of a row and a column in `places`.

    A place is a fractional index into the grid. Beyond the border, the place is moved
    to the border.
    """
    for axis, place in enumerate(places):
        place = np.clip(place.astype(np.float32), 0, grid.shape[axis] - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, grid.shape[axis] - 1)
        part = np.expand_dims(
            place - low.astype(np.float32), [i for i in range(3) if i != axis]
        )
        below, above = np.take(grid, low, axis), np.take(grid, high, axis)
        grid = below + (above - below) * part
    return grid
