"""What a file of metrics exports: a `Family`, with its `Column`s in tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from colorjax.evaluation.engine import Metric


class Column(NamedTuple):
    """A column of a table: its title, its decimals, and what its values mean."""

    title: str
    decimals: int
    meaning: str


class Context(NamedTuple):
    """What a family may need to build its metric.

    `prior` is that of the training split and `side` the size of the evaluated images in
    pixels. `classes` are the names of the classes of the images, if they have any.
    `classifier`, `inception` and `clip` are files of weights. `originals(net,
    variables)` returns the moments of a network's features on the originals of the
    evaluated images, the same on a disjoint set, and the settings that name that set.
    """

    prior: Float[np.ndarray, "313"]
    side: int
    classes: Sequence[str] = ()
    classifier: epath.PathLike | None = None
    inception: epath.PathLike | None = None
    clip: epath.PathLike | None = None
    originals: Callable[[Any, Any], tuple[Any, Any, dict[str, Any]]] | None = None


class Family(NamedTuple):
    """Values that one metric computes together: the name by which a user asks for them,
    how to build the metric, and the column of each value that tables show.

    `build` raises `UserError` where the metric cannot be computed.
    """

    name: str
    build: Callable[[Context], Metric]
    columns: Mapping[str, Column] = {}
