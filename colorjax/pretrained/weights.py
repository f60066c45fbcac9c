"""What a file of published weights is made into: `Published`."""

from typing import Any, NamedTuple


class Published(NamedTuple):
    """The net of others in colorjax's form, and how they use it.

    `variables` are those of the method's net; `method` is the section of a config that
    decodes as its authors do; `side` is that of the squares, in pixels, that they show
    the net; `conventions` has a line for a person on each; `use` says what to do with
    the `{run}`.
    """

    layout: str
    licence: str
    variables: dict[str, Any]
    method: dict[str, Any]
    side: int
    conventions: dict[str, str]
    use: str = "use it: colorjax colorize PICTURE --run {run} --out colored.png"
