"""A table of held-out images beside what a colorizer makes of them: `image_grid`."""

import numpy as np
from jaxtyping import UInt8

from colorjax import images
from colorjax.data.pipeline import ImageDataset
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.compose import replace_ab


def image_grid(
    colorizer: Colorizer, dataset: ImageDataset, split: str, count: int = 24
) -> UInt8[np.ndarray, "h w 3"]:
    """A table of images of a split: grey input, colorized and original.

    It shows `count` images, spread evenly over the split, in two halves side by side.
    """
    source = dataset.source(split)
    indices = np.linspace(0, len(source) - 1, min(count, len(source)), dtype=int)
    table = []
    for half in np.array_split(indices, 2) if len(indices) > 1 else [indices]:
        columns = {"grey input": [], "colorized": [], "original": []}
        for index in half:
            original = dataset.image(source, int(index))
            grey = replace_ab(original, np.zeros((*original.shape[:2], 2), np.float32))
            triple = (grey, colorizer(original), original)
            for column, picture in zip(columns.values(), triple, strict=True):
                side = max(128, dataset.resize)
                column.append(images.resize(picture, (side, side)))
        table += columns.items()
    return images.grid(table)
