"""What training examples have for methods that learn from text: `Words`."""

from typing import Any, NamedTuple

import jax
import numpy as np

from colorjax.data.sources import EncodedImage
from colorjax.data.things import Box, largest
from colorjax.text.encoders import ENCODERS


class Words(NamedTuple):
    """Which entries there are: a caption, read by an `encoder`, unless this is "", and
    with `boxes` the largest thing."""

    encoder: str
    boxes: bool

    @property
    def entries(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The shapes and types of the entries that other examples do not have."""
        box = jax.ShapeDtypeStruct((4,), np.float32)
        entries = {"text": ENCODERS[self.encoder].tokens} if self.encoder else {}
        return entries | ({"box": box} if self.boxes else {})

    def read(
        self,
        encoded: EncodedImage,
        window: Box,
        mirrored: bool,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """The entries for a window of an image.

        "text" has the tokens of one of its captions. "box" has that of the largest
        thing in the window, and "label" the class of this thing.
        """
        entries = {}
        if self.encoder:
            captions = encoded.captions or ("",)
            caption = captions[rng.integers(len(captions))]
            entries["text"] = ENCODERS[self.encoder].read(caption)
        if self.boxes:
            label, (y0, x0, y1, x1) = largest(encoded.things, window)
            box = (y0, 1 - x1, y1, 1 - x0) if mirrored else (y0, x0, y1, x1)
            entries |= {"label": np.int32(label), "box": np.array(box, np.float32)}
        return entries
