"""Make docs/guide.jpg: a cat without hints and with those that its titles name.

    python docs/results/guide_picture.py

The photograph is docs/cat.jpg, of scikit-image; docs/results/gallery.md credits it.
"""

from pathlib import Path

from PIL import Image

from colorjax import Colorizer, images
from colorjax.hints import Guide, Point

DOCS = Path(__file__).parent.parent
GREEN, BROWN, EYES = "#5c8a4c", "#a87c54", "#86985a"
BACKGROUND = Point(0.94, 0.25, GREEN), Point(0.51, 0.2, BROWN), Point(0.55, 0.6, BROWN)
EYE = Point(0.38, 0.37, EYES, 0.09), Point(0.71, 0.45, EYES, 0.07)
EXAMPLES = {
    "without hints": None,
    "a green background, brown fur": Guide(BACKGROUND),
    "green eyes, only here": Guide(EYE, only_here=True),
}


def main() -> None:
    colorizer = Colorizer.load()
    photograph = images.read((DOCS / "cat.jpg").read_bytes())
    columns = [
        (title, [colorizer(photograph, hints=guide)])
        for title, guide in EXAMPLES.items()
    ]
    Image.fromarray(images.grid(columns)).save(DOCS / "guide.jpg", quality=88)


if __name__ == "__main__":
    main()
