"""Measure what text brings: photographic stamps with masks, pasted on photographs.

    apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-*.deb STAMPS
    python docs/results/words.py STAMPS FOLDER [--half=choose] [--count=N] [--grid=FILE]

The stamps have captions and alpha, which is their mask. Every other one, with the
photographs of one folder, chose the constants of `colorjax/words`; the others, on
photographs of other sources, are reported. Each stamp covers 6 % to 18 % of a square of
448 pixels. The text asks for it in four colors, with its true region, with its box, and
with no help. The script also searches for it in the photograph without the stamp,
where every place is wrong.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from colorjax import Colorizer, images, words
from colorjax.words import Box, Pair, Region, classes, vocabulary

SIDE = 448
SHARES = 0.06, 0.18  # of the picture that a stamp covers
COLORS = "red", "green", "blue", "yellow"
RICH = 6000, 0.15  # different colors, also as a share of the pixels, of a photograph
NEAR = 45  # degrees of hue
ROWS = "region given", "box", "found and sure"


class Scene(NamedTuple):
    """A stamp on a photograph: its noun, the picture, its mask, the bare photograph."""

    noun: str
    picture: np.ndarray
    mask: np.ndarray
    photograph: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description="What text brings")
    parser.add_argument(
        "stamps", type=Path, help="where the Debian package is unpacked"
    )
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--half", choices=("choose", "report"), default="report")
    parser.add_argument("--count", type=int, default=90, help="of stamps")
    parser.add_argument("--grid", type=Path, help="write pictures of some stamps")
    args = parser.parse_args()
    colorizer = Colorizer.load()
    stamps = photographic(args.stamps)[args.half == "report" :: 2][: args.count]
    files = sorted(path for path in args.folder.rglob("*.*") if path.is_file())
    files = np.random.default_rng(0).permutation(np.array(files))
    places_, colored = [], {row: [] for row in ROWS}
    for number, stamp in enumerate(stamps):
        scene = paste(stamp, files[number % len(files)], number)
        found, absent = search(scene, scene.picture), search(scene, scene.photograph)
        certainty = search_certainty(scene)
        places_.append((inside(found, scene.mask), found.sure, absent.sure, certainty))
        for row, values in recolor(colorizer, scene, found).items():
            colored[row] += values
        print(
            number,
            scene.noun,
            np.round(places_[-1], 2),
            [
                np.round(np.mean(colored[row], axis=0), 2)
                for row in ROWS
                if colored[row]
            ],
            flush=True,
        )
    report(np.array(places_, float), colored)


def photographic(folder: Path) -> list[Path]:
    """The stamps that are photographs, by their number of colors."""
    stamps = []
    for path in sorted(folder.rglob("*.png")):
        if path.with_suffix(".txt").exists() and not path.stem.endswith("_mirror"):
            pixels = np.array(Image.open(path).convert("RGBA"))
            opaque = pixels[pixels[..., 3] == 255].astype(np.uint32)
            colors = len(np.unique(opaque @ [1 << 16, 1 << 8, 1, 0]))
            if colors > max(RICH[0], RICH[1] * len(opaque)):
                stamps.append(path)
    return stamps


def noun(stamp: Path) -> str:
    """The noun of a stamp's caption: its first phrase without articles and colors."""
    caption = stamp.with_suffix(".txt").read_text(errors="replace").split("\n")[0]
    phrase = re.split(r"[.!,;:(—]", caption.lower().strip(' “"'))[0]
    out = vocabulary.ARTICLES | vocabulary.COLORS.keys()
    every = re.findall(r"[\w'-]+", phrase)
    return " ".join([word for word in every if word not in out] or every)


def paste(stamp: Path, file: Path, seed: int) -> Scene:
    """A stamp at a random place and size on the center square of a photograph."""
    random = np.random.default_rng(seed)
    photograph = images.read(Path(file).read_bytes())
    size = images.short_size(photograph, SIDE)
    top, left = ((count - SIDE) // 2 for count in size)
    photograph = images.resize(photograph, size, (top, left, SIDE, SIDE))
    image = Image.open(stamp).convert("RGBA")
    image = image.crop(image.getbbox())
    covered = np.array(image)[..., 3].mean() / 255 * image.width * image.height
    scale = (random.uniform(*SHARES) * SIDE**2 / covered) ** 0.5
    scale = min(scale, 0.95 * SIDE / max(image.size))
    width, height = (max(1, round(count * scale)) for count in image.size)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    x, y = random.integers(0, SIDE - width + 1), random.integers(0, SIDE - height + 1)
    page = Image.fromarray(photograph)
    page.paste(image, (int(x), int(y)), image)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = np.array(image)[..., 3] > 127
    return Scene(noun(stamp), np.array(page), mask, photograph)


def search(scene: Scene, picture: np.ndarray) -> Region:
    return words.locate([Pair(scene.noun, (), "#d5202a")], picture)[0]


def search_certainty(scene: Scene) -> float:
    maps = classes.class_maps(scene.picture)
    return classes.search(maps, classes.nearest_classes(scene.noun), ()).certainty


def inside(region: Region, mask: np.ndarray) -> bool:
    """Whether the center of a region is inside a mask."""
    x, y = (min(int(part * SIDE), SIDE - 1) for part in region.center)
    return bool(mask[y, x])


def recolor(colorizer, scene: Scene, found: Region) -> dict[str, list]:
    """For each row and color: hue right; change inside and outside in ab units."""
    prediction = colorizer.predict(scene.picture)
    before = rgb2lab(colorizer.decode(prediction, scene.picture))[..., 1:]
    y, x = scene.mask.nonzero()
    box = Box(*np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) / float(SIDE))
    boxed = words.locate([found.pair], scene.picture, {found.pair.name: box})[0]
    regions = {
        "region given": found._replace(
            mask=scene.mask, sure=True, center=(x[0] / SIDE, y[0] / SIDE)
        ),
        "box": boxed,
    }
    if found.sure:
        regions["found and sure"] = found
    results = {}
    for row, region in regions.items():
        results[row] = []
        for color in COLORS:
            pair = region.pair._replace(color=vocabulary.COLORS[color])
            guide = words.to_guide([region._replace(pair=pair)], (SIDE, SIDE))
            after = rgb2lab(colorizer.decode(prediction, scene.picture, hints=guide))
            after = after[..., 1:]
            asked = rgb2lab(np.uint8([[pair.levels()]]))[0, 0, 1:]
            change = after - before
            toward = (change[scene.mask] @ asked / np.linalg.norm(asked)).mean()
            away = np.linalg.norm(change[~scene.mask], axis=-1).mean()
            right = angle(after[scene.mask].mean(0), asked) <= NEAR
            results[row].append(
                (
                    right,
                    toward,
                    away,
                    np.linalg.norm(change[scene.mask], axis=-1).mean(),
                )
            )
    return results


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """The angle between two ab in degrees."""
    difference = np.arctan2(*first) - np.arctan2(*second)
    return float(np.degrees(np.abs((difference + np.pi) % (2 * np.pi) - np.pi)))


def report(found: np.ndarray, colored: dict[str, list]) -> None:
    right, sure, absent = found[:, :3].astype(bool).T
    print(f"\npoints into the stamp: {right.mean():.3f} of {len(right)}")
    print(f"sure, of the right ones: {sure[right].mean():.3f}")
    print(f"sure, of the wrong ones: {sure[~right].mean():.3f}")
    print(f"sure without the stamp: {absent.mean():.3f}")
    for limit in np.arange(0.4, 3, 0.1):
        over = found[:, 3] >= limit
        shares = over[right].mean(), over[~right].mean()
        print(f"certainty {limit:.1f}: right {shares[0]:.3f}, wrong {shares[1]:.3f}")
    print("\n| | hue right | toward the color | outside |\n|---|---|---|---|")
    for row, values in colored.items():
        if values:
            print(row, len(values), np.round(np.mean(values, axis=0), 3))


if __name__ == "__main__":
    main()
