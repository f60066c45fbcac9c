"""Hints that a person might give, taken from an original: `draw_cells`, `simulate`.

A hint is the mean color of a cell of 2x2 pixels; the cells are drawn uniformly, in an
order that depends on the seed and the index of the image alone. This is the protocol of
iColoriT (Yun et al., "iColoriT: Towards Propagating Local Hints to the Right Region in
Interactive Colorization by Leveraging Vision Transformer", WACV 2023).
"""

import numpy as np
from jaxtyping import Int, UInt8

from colorjax.hints import Guide, Point

CELL = 2  # pixels
SETTINGS = f"mean colors of seeded cells of {CELL}x{CELL} pixels, uniform"


def draw_cells(side: int, seed: int, index: int) -> Int[np.ndarray, "cells 2"]:
    """The row and the column of all cells of an image, in a random order."""
    count = side // CELL
    order = np.random.default_rng([seed, index]).permutation(count * count)
    return np.stack(np.divmod(order, count), axis=-1)


def simulate(
    image: UInt8[np.ndarray, "side side 3"], cells: Int[np.ndarray, "k 2"]
) -> Guide | None:
    """A hint with the mean color of each of these cells; None if there are none.

    Raises `UserError` where a cell is not in the image.
    """
    points, side = [], len(image)
    for row, column in CELL * cells:
        mean = image[row : row + CELL, column : column + CELL].mean((0, 1))
        color = bytes(np.rint(mean).astype(np.uint8)).hex()
        x, y = ((place + CELL / 2) / side for place in (column, row))
        points.append(Point(float(x), float(y), f"#{color}"))
    return Guide(points) if points else None
