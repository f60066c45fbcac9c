"""Measure what hints bring: on a folder, or on what the shipped model held out.

    python docs/results/hints.py [--run=RUN] [FOLDER]

Each photograph is cut to its center square of 128 pixels. Hints are the mean colors of
cells of 2x2 pixels, drawn uniformly with a seed, as in the protocol of iColoriT (Yun et
al., "iColoriT: Towards Propagating Local Hints to the Right Region in Interactive
Colorization by Leveraging Vision Transformer", WACV 2023). The script prints the PSNR
of the run and of the hints without a network, which are spread along edges over a grey
picture, and the distance of the run's ab from the hints' own colors at their cells.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from starter import COLORED, chroma, held_out

from colorjax import Colorizer, images
from colorjax.hints import Guide, Point, locate
from colorjax.inference.compose import replace_ab

SIDE, CELL = 128, 2  # pixels
COUNTS = (0, 1, 10, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description="What hints bring")
    parser.add_argument("folder", type=Path, nargs="?", help="default: the held-out")
    parser.add_argument("--run", default="starter", help="workdir of the run")
    args = parser.parse_args()
    colorizer = Colorizer.load(args.run, size=SIDE)
    files = sorted(args.folder.rglob("*.*")) if args.folder else held_out()
    photographs = [square(path.read_bytes()) for path in files]
    photographs = [x for x in photographs if chroma(x) >= COLORED]
    predictions = colorizer.predict(photographs)
    print(f"{colorizer!r}, {len(photographs)} photographs\n")
    print("| hints | the run | hints alone | error at the hints |\n|---|---|---|---|")
    for count in COUNTS:
        rows = [
            measure(photograph, prediction, count, seed)
            for seed, (photograph, prediction) in enumerate(
                zip(photographs, predictions, strict=True)
            )
        ]
        own, alone, error = np.mean(rows, axis=0)
        print(f"| {count} | {own:.2f} | {alone:.2f} | {error:.2f} |")


def square(data: bytes) -> np.ndarray:
    """The center square of a picture, resized to `SIDE` pixels."""
    picture = images.read(data)
    size = images.short_size(picture, SIDE)
    top, left = ((count - SIDE) // 2 for count in size)
    return images.resize(picture, size, (top, left, SIDE, SIDE))


def measure(photograph, prediction, count: int, seed: int) -> tuple[float, ...]:
    """PSNR of a prediction and of its hints alone, and the error at the hints."""
    grey = replace(prediction, logits=None, ab=np.zeros_like(prediction.ab))
    guide = simulated(photograph, count, seed) if count else None
    saturation = np.float32(prediction.saturation)  # hints are met after it
    results = [saturation * part.decode(hints=guide) for part in (prediction, grey)]
    scores = [psnr(replace_ab(photograph, ab), photograph) for ab in results]
    if guide is None:
        return *scores, np.nan
    asked = locate(guide, prediction.size, prediction.lightness)
    rows, columns = np.rint(asked.places).astype(int).T
    error = np.linalg.norm(results[0][rows, columns] - asked.ab, axis=-1)
    return *scores, error.mean()


def simulated(photograph: np.ndarray, count: int, seed: int) -> Guide:
    """Hints at `count` different cells, each with the mean color of its pixels."""
    cells = photograph.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL, 3).mean((1, 3))
    random = np.random.default_rng(seed)
    chosen = random.choice(len(cells) ** 2, count, replace=False)
    points = []
    for row, column in zip(*np.divmod(chosen, len(cells)), strict=True):
        color = bytes(np.rint(cells[row, column]).astype(np.uint8)).hex()
        x, y = ((place + 0.5) / len(cells) for place in (column, row))
        points.append(Point(float(x), float(y), f"#{color}"))
    return Guide(points)


def psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """The PSNR in decibels."""
    difference = picture.astype(np.float32) - original
    return float(10 * np.log10(255**2 / (difference**2).mean()))


if __name__ == "__main__":
    main()
