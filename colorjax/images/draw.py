"""Drawing: a table of pictures (`grid`) and numbered points in a picture (`mark`)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont


def grid(
    columns: list[tuple[str, list[UInt8[np.ndarray, "h w 3"]]]], margin: int = 4
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A table of pictures of one size, on white.

    Each column is a title and its pictures from top to bottom. `margin` is the distance
    between pictures in pixels.
    """
    height, width = columns[0][1][0].shape[:2]
    rows = max(len(pictures) for _, pictures in columns)
    top = 16
    size = (
        len(columns) * (width + margin) + margin,
        rows * (height + margin) + margin + top,
    )
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for column, (title, pictures) in enumerate(columns):
        left = margin + column * (width + margin)
        draw.text((left, margin), title, fill="black")
        for row, picture in enumerate(pictures):
            place = (left, top + margin + row * (height + margin))
            page.paste(Image.fromarray(picture), place)
    return np.array(page)


def mark(
    picture: UInt8[np.ndarray, "h w 3"], points: Sequence[tuple[int, int]]
) -> UInt8[np.ndarray, "h w 3"]:
    """A copy of the picture with numbered rings around the points (row, column)."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    radius = max(4, round(max(image.size) / 60))
    font = ImageFont.load_default(1.6 * radius)
    for number, (row, column) in enumerate(points, start=1):
        for color, width in (("black", radius // 2), ("white", radius // 4)):
            draw.circle((column, row), radius, outline=color, width=max(1, width))
        draw.text(
            (column + 1.3 * radius, row),
            str(number),
            fill="white",
            font=font,
            anchor="lm",
            stroke_width=max(1, radius // 6),
            stroke_fill="black",
        )
    return np.array(image)
