"""Measure what text brings: photographic stamps with masks, pasted on photographs.

    apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-*.deb STAMPS
    python docs/results/words.py STAMPS FOLDER [--half=choose] [--count=N] [--clip=FILE]

The stamps have captions and alpha, which is their mask. Every other one, with the
photographs of one folder, chose the constants of `colorjax/words`; the others, on
photographs of other sources, are reported. Each stamp covers 6 % to 18 % of a square of
448 pixels. The text asks for it in four colors, with its true region, with its box, and
with no help. The script also searches for it in the photograph without the stamp,
where every place is wrong. For comparison, one hint in the stamp's middle asks for the
same colors. With --clip, CLIP searches instead of the classifier.
"""

import argparse
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt
from skimage.color import rgb2lab

from colorjax import Colorizer, images, words
from colorjax.hints import Guide, Point
from colorjax.text import vocabulary
from colorjax.words import Box, Pair, Region
from colorjax.words.classes import SURE, Finder, find_classes

SIDE = 448
SHARES = 0.06, 0.18  # of the picture that a stamp covers
COLORS = "red", "green", "blue", "yellow"
RICH = 6000, 0.15  # different colors, also as a share of the pixels, of a photograph
NEAR = 45  # degrees of hue
ROWS = "region given", "box", "found and sure", "one hint", "one hint, only here"


class Scene(NamedTuple):
    """A stamp on a photograph: its noun, the picture, its mask, the bare photograph."""

    noun: str
    picture: np.ndarray
    mask: np.ndarray
    photograph: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description="What text brings")
    parser.add_argument("stamps", type=Path, help="the unpacked Debian package")
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--half", choices=("choose", "report"), default="report")
    parser.add_argument("--clip", type=Path, help="find by CLIP, from this file")
    parser.add_argument("--count", type=int, default=90, help="of stamps")
    args = parser.parse_args()
    colorizer = Colorizer.load()
    stamps = photographic(args.stamps)[args.half == "report" :: 2][: args.count]
    files = sorted(path for path in args.folder.rglob("*.*") if path.is_file())
    files = np.random.default_rng(0).permutation(np.array(files))
    finder = words.clip_finder(args.clip) if args.clip else find_classes
    found, rows = [], {name: [] for name in ROWS}
    for number, stamp in enumerate(stamps):
        scene = paste(stamp, files[number % len(files)], number)
        region = search(scene.noun, scene.picture, finder)
        absent = search(scene.noun, scene.photograph, finder).certainty
        found.append((inside(region, scene.mask), region.certainty, absent))
        print(number, scene.noun, np.round(found[-1], 2), flush=True)
        for name, values in recolor(colorizer, scene, region).items():
            rows[name] += values
    report(np.array(found), rows)


def photographic(folder: Path) -> list[Path]:
    """The stamps that are photographs, by their number of colors."""
    stamps = []
    for path in sorted(folder.rglob("*.png")):
        if path.with_suffix(".txt").exists() and not path.stem.endswith("_mirror"):
            pixels = np.array(Image.open(path).convert("RGBA"))
            opaque = pixels[pixels[..., 3] == 255].view(np.uint32)
            least = max(RICH[0], RICH[1] * len(opaque))
            if len(opaque) > least and len(np.unique(opaque)) > least:
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


def search(noun: str, picture: np.ndarray, finder: Finder) -> Region:
    return words.locate([Pair(noun, (), "neutral")], picture, finder=finder)[0]


def inside(region: Region, mask: np.ndarray) -> bool:
    """Whether the center of a region is inside a mask."""
    x, y = (min(int(part * SIDE), SIDE - 1) for part in region.center)
    return bool(mask[y, x])


def recolor(colorizer, scene: Scene, found: Region) -> dict[str, list]:
    """For each row and color: hue right; change inside and outside in ab units."""
    prediction = colorizer.predict(scene.picture)
    before = rgb2lab(colorizer.decode(prediction, scene.picture))[..., 1:]
    rows, columns = scene.mask.nonzero()
    center = float(columns[0]) / SIDE, float(rows[0]) / SIDE
    given = Region(found.pair, scene.mask, center)
    guides = {
        "region given": partial(colored, given),
        "box": partial(colored, boxed(scene, found.pair)),
        "one hint": partial(dotted, scene, False),
        "one hint, only here": partial(dotted, scene, True),
    }
    if found.sure:
        guides["found and sure"] = partial(colored, found)
    results = {}
    for name, guide_of in guides.items():
        results[name] = []
        for color in COLORS:
            guide = guide_of(color)
            after = rgb2lab(colorizer.decode(prediction, scene.picture, hints=guide))
            levels = np.uint8(Pair("", (), vocabulary.COLORS[color]).levels())
            asked = rgb2lab(levels[None, None])[0, 0, 1:]
            change, mean = after[..., 1:] - before, after[scene.mask][:, 1:].mean(0)
            toward = (change[scene.mask] @ asked / np.linalg.norm(asked)).mean()
            away = np.linalg.norm(change[~scene.mask], axis=-1).mean()
            results[name].append((angle(mean, asked) <= NEAR, toward, away))
    return results


def boxed(scene: Scene, pair: Pair) -> Region:
    """The region in the box around a stamp."""
    rows, columns = scene.mask.nonzero()
    ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    box = Box(*(float(end) / SIDE for end in ends))
    return words.locate([pair], scene.picture, {pair.name: box})[0]


def colored(region: Region, color: str) -> Guide:
    """The hints that give a region a color, sure or not."""
    pair = region.pair._replace(color=vocabulary.COLORS[color])
    return words.to_guide([Region(pair, region.mask, region.center)], (SIDE, SIDE))


def dotted(scene: Scene, only_here: bool, color: str) -> Guide:
    """One hint, at the pixel of the stamp that is farthest from its outline."""
    depth = distance_transform_edt(np.pad(scene.mask, 1))[1:-1, 1:-1]
    y, x = (np.array(np.unravel_index(depth.argmax(), depth.shape)) + 0.5) / SIDE
    point = Point(float(x), float(y), vocabulary.COLORS[color])
    return Guide(points=(point,), only_here=only_here)


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """The angle between two ab in degrees."""
    difference = np.arctan2(*first) - np.arctan2(*second)
    return float(np.degrees(np.abs((difference + np.pi) % (2 * np.pi) - np.pi)))


def report(found: np.ndarray, rows: dict[str, list]) -> None:
    right, certainty, absent = found[:, 0].astype(bool), found[:, 1], found[:, 2]
    print(f"\n{right.mean():.3f} of {len(right)} places are inside the stamp")
    print("\n| certainty | right | wrong | without the stamp |\n|---|---|---|---|")
    for limit in (*np.arange(0.4, 2.1, 0.2), SURE):
        shares = [(x >= limit).mean() for x in (certainty[right], certainty[~right])]
        shares.append((absent >= limit).mean())
        print(f"| {limit:.1f} |", *(f"{share:.3f} |" for share in shares))
    print("\n| | colorings | hue right | toward the color | outside |")
    print("|---|---|---|---|---|")
    for name, values in rows.items():
        means = np.mean(values, axis=0) if values else [np.nan] * 3
        print(f"| {name} | {len(values)} |", *(f"{mean:.3f} |" for mean in means))


if __name__ == "__main__":
    main()
