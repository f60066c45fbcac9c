"""Make the picture of the README: grey photographs beside their colorized versions.

    python docs/results/gallery.py

Writes docs/results/gallery.jpg. The photographs come with scikit-image and scikit-learn
(the `test` extra); docs/results/gallery.md credits them.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

import colorjax

CELL = (240, 180)  # width and height of one photograph
GAP = 8
COLUMNS = 2  # pairs in a row
PHOTOGRAPHS = (
    data.rocket(),
    data.chelsea(),
    load_sample_image("china.jpg"),
    data.astronaut(),
    load_sample_image("flower.jpg"),
    data.coffee(),
)


def cell(image: np.ndarray) -> Image.Image:
    """Crop and resize a uint8 [h w 3] image to the size of a cell."""
    height, width = image.shape[:2]
    scale = max(CELL[0] / width, CELL[1] / height)
    size = round(width * scale), round(height * scale)
    left, top = (size[0] - CELL[0]) // 2, (size[1] - CELL[1]) // 5  # heads are high
    resized = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    return resized.crop((left, top, left + CELL[0], top + CELL[1]))


def main():
    colorizer = colorjax.Colorizer.load()
    rows = -(-len(PHOTOGRAPHS) // COLUMNS)
    pair = 2 * CELL[0] + 2
    size = COLUMNS * (pair + GAP) - GAP, rows * (CELL[1] + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    colorized = colorizer(list(PHOTOGRAPHS))
    for i, (original, result) in enumerate(zip(PHOTOGRAPHS, colorized, strict=True)):
        row, column = divmod(i, COLUMNS)
        x, y = column * (pair + GAP), row * (CELL[1] + GAP)
        sheet.paste(cell(original).convert("L"), (x, y))
        sheet.paste(cell(result), (x + CELL[0] + 2, y))
    sheet.save(Path(__file__).with_suffix(".jpg"), quality=88)


if __name__ == "__main__":
    main()
