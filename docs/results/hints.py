"""Measure what hints and exemplars bring to a run as it ships, with its saturation.

    python docs/results/hints.py hints [--run=RUN] [FOLDER]
    python docs/results/hints.py exemplars [--run=RUN] [FOLDER]

The photographs are those of a folder, or those that the shipped model held out. `hints`
cuts each to its center square of 128 pixels and gives it the hints of `evaluate.py
--hints`, which measures networks without their saturation. `exemplars` gives each
photograph another one as its exemplar: the most alike by the features of the run's
encoder, or the one seven places further. It prints the PSNR, and the distance between
the histograms of the result and of the exemplar: the earth mover's in ab, as the mean
over 8 directions.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from starter import COLORED, chroma, held_out

from colorjax import Colorizer, images
from colorjax.evaluation.simulation import draw_cells, simulate
from colorjax.hints import Guide, histogram, locate
from colorjax.inference.compose import replace_ab
from colorjax.inference.decode import decode
from colorjax.inference.distribution import Distribution
from colorjax.inference.likeness import features_of, liken
from colorjax.quantize import ab_bins

SIDE = 128  # pixels
COUNTS = (0, 1, 10, 100)
FURTHER = 7  # places, to an exemplar that has nothing to do with the photograph
ANGLES = np.arange(8) * np.pi / 8


def main() -> None:
    parser = argparse.ArgumentParser(description="What hints and exemplars bring")
    parser.add_argument("what", choices=("hints", "exemplars"))
    parser.add_argument("folder", type=Path, nargs="?", help="default: the held-out")
    parser.add_argument("--run", default="starter", help="workdir of the run")
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.*")) if args.folder else held_out()
    photographs = [images.read(path.read_bytes()) for path in files]
    photographs = [x for x in photographs if chroma(x) >= COLORED]
    if args.what == "hints":
        measure_hints(Colorizer.load(args.run, size=SIDE), photographs)
    else:
        measure_exemplars(Colorizer.load(args.run), photographs)


def measure_hints(colorizer: Colorizer, photographs: list[np.ndarray]) -> None:
    """Print the PSNR of the run and of hints over grey, and the error at the hints."""
    squares = [square(photograph) for photograph in photographs]
    predictions = colorizer.predict(squares)
    print(f"{colorizer!r}, {len(squares)} photographs\n")
    print("| hints | the run | hints alone | error at the hints |\n|---|---|---|---|")
    for count in COUNTS:
        pairs = enumerate(zip(squares, predictions, strict=True))
        rows = [hinted(*pair, count, index) for index, pair in pairs]
        own, alone, error = np.mean(rows, axis=0)
        print(f"| {count} | {own:.2f} | {alone:.2f} | {error:.2f} |")


def square(photograph: np.ndarray) -> np.ndarray:
    """The center square of a photograph, resized to `SIDE` pixels."""
    size = images.short_size(photograph, SIDE)
    top, left = ((count - SIDE) // 2 for count in size)
    return images.resize(photograph, size, (top, left, SIDE, SIDE))


def hinted(
    photograph: np.ndarray, prediction: Distribution, count: int, index: int
) -> tuple[float, ...]:
    """PSNR of a prediction and of its hints alone, and the error at the hints."""
    grey = replace(prediction, logits=None, ab=np.zeros_like(prediction.ab))
    guide = simulate(photograph, draw_cells(SIDE, 0, index)[:count])
    saturation = np.float32(prediction.saturation)  # hints are met after it
    results = [saturation * part.decode(hints=guide) for part in (prediction, grey)]
    scores = [psnr(replace_ab(photograph, ab), photograph) for ab in results]
    if guide is None:
        return *scores, np.nan
    asked = locate(guide, prediction.size, prediction.lightness)
    rows, columns = np.rint(asked.places).astype(int).T
    error = np.linalg.norm(results[0][rows, columns] - asked.ab, axis=-1)
    return *scores, error.mean()


def measure_exemplars(colorizer: Colorizer, photographs: list[np.ndarray]) -> None:
    """Print PSNR and distances of histograms with several exemplars."""
    features = colorizer.features
    if features is None:
        raise SystemExit(f"{colorizer!r} has no encoder that tells what is alike")
    predictions = colorizer.predict(photographs)
    places = [features_of(features, x.lightness).mean((0, 1)) for x in predictions]
    vectors = np.array(places) - np.mean(places, axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = (vectors @ vectors.T - 2 * np.eye(len(vectors))).argmax(1)
    rows: dict[str, list[tuple[float, float]]] = {}
    for index, (photograph, prediction) in enumerate(
        zip(photographs, predictions, strict=True)
    ):
        alike = Guide(exemplar=photographs[nearest[index]])
        other = Guide(exemplar=photographs[(index + FURTHER) % len(photographs)])
        cases: Mapping[str, tuple[Distribution, Guide | None]] = {
            "none": (prediction, None),
            "alike": (liken(prediction, alike, features), alike),
            "alike, without places": (prediction, alike),
            "another": (liken(prediction, other, features), other),
        }
        for name, (own, guide) in cases.items():
            result = decode(own, photograph, hints=guide)
            distance = distance_to(result, alike.exemplar)
            rows.setdefault(name, []).append((psnr(result, photograph), distance))
    print(f"{colorizer!r}, {len(photographs)} photographs\n")
    print("| exemplar | PSNR | distance to the one alike |\n|---|---|---|")
    for name, values in rows.items():
        print("| {} | {:.2f} | {:.2f} |".format(name, *np.mean(values, axis=0)))


def distance_to(picture: np.ndarray, exemplar: np.ndarray | None) -> float:
    """The earth mover's distance between histograms, in ab units."""
    assert exemplar is not None
    change, total = histogram(picture) - histogram(exemplar), 0.0
    for angle in ANGLES:
        places = ab_bins() @ np.array([np.cos(angle), np.sin(angle)])
        order = places.argsort()
        moved = np.abs(change[order].cumsum())[:-1]
        total += float(moved @ np.diff(places[order]))
    return total / len(ANGLES)


def psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """The PSNR in decibels."""
    difference = picture.astype(np.float32) - original
    return float(10 * np.log10(255**2 / (difference**2).mean()))


if __name__ == "__main__":
    main()
