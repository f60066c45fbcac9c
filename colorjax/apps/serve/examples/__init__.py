"""Grey photographs to try; CREDITS.md names their authors: `EXAMPLES`."""

from pathlib import Path
from typing import NamedTuple


class Example(NamedTuple):
    """A photograph that comes with the page."""

    path: Path
    caption: str


_FOLDER = Path(__file__).parent
EXAMPLES = [
    Example(_FOLDER / "rocket.jpg", "A rocket at dusk"),
    Example(_FOLDER / "astronaut.jpg", "A portrait"),
]
