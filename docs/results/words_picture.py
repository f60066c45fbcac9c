"""Make docs/text.jpg: photographs, what a sentence finds in them, and the results.

    python docs/results/words_picture.py

The photographs come with scikit-image and scikit-learn (the `test` extra);
docs/results/gallery.md credits them. Some places come from a box.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from colorjax import Colorizer, images, words
from colorjax.words import Box, Region

CELL = 150, 200  # height and width of a picture
EXAMPLES = (
    ("red cup", data.coffee, {}),
    ("purple flower", lambda: load_sample_image("flower.jpg"), {}),
    ("blue rocket", data.rocket, {}),
    ("orange cat", data.chelsea, {}),
    ("green suit", data.astronaut, {}),
    ("green suit", data.astronaut, {"suit": Box(0.0, 0.4, 0.95, 1.0)}),
)


def main() -> None:
    colorizer = Colorizer.load()
    columns = []
    for sentence, photograph, places in EXAMPLES:
        picture = cropped(photograph())
        regions = words.locate(words.parse(sentence), picture, places)
        sure = [Region(x.pair, x.mask, x.center) for x in regions]
        guide = words.to_guide(sure, picture.shape[:2])
        grey, colored = (
            colorizer(picture, saturation=0),
            colorizer(picture, hints=guide),
        )
        print(sentence, [region.certainty for region in regions])
        question = "" if all(region.sure for region in regions) else " ?"
        title = f"{sentence}{' (box)' if places else question}"
        column = [grey, words.draw(picture, regions), colored]
        columns.append((title, [images.resize(x, CELL) for x in column]))
    path = Path(__file__).parent.parent / "text.jpg"
    Image.fromarray(images.grid(columns)).save(path, quality=85)


def cropped(photograph: np.ndarray) -> np.ndarray:
    """The photograph, cut to the aspect of a cell, from the top."""
    height, width = photograph.shape[:2]
    height = min(height, width * CELL[0] // CELL[1])
    width = min(width, height * CELL[1] // CELL[0])
    left = (photograph.shape[1] - width) // 2
    return np.ascontiguousarray(photograph[:height, left : left + width])


if __name__ == "__main__":
    main()
