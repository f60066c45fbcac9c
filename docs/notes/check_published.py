"""Check files of published weights: hashes, conversion, a reference picture, the table.

    python docs/notes/check_published.py FILE... --out=DIR [--pictures=FOLDER]

Each FILE becomes a run in DIR. The script prints its SHA-256, to compare with that of
the page it comes from, and colorizes docs/cat.jpg in several ways: with a short side of
256 pixels and with that of the authors, squeezed into a square as they do and with the
aspect ratio kept. For each it prints the mean and the deviation of a and b, the
colorfulness, the largest change of L in the 8 bits of the result, and the seconds of a
second run. With a FOLDER of color photographs it then compares all runs by evaluate.py.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from colorjax import Colorizer, cli, images
from colorjax.color import rgb_to_lab
from colorjax.evaluation.metrics.image import colorfulness_of
from colorjax.pretrained.weights import read
from colorjax.train.workdir import load_run

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "cat.jpg"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check files of published weights")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    runs = []
    for file in args.files:
        run = args.out / file.stem
        print(f"{file}: SHA-256 {read(file).sha256}")
        if not run.exists() and cli.main(["convert", str(file), "--out", str(run)]):
            return 1
        runs.append(run)
        check_picture(run)
    if args.pictures:
        compare(runs, args.pictures, args.out)
    return 0


def check_picture(run: Path) -> None:
    """Print a row for each way to show the reference picture to the network."""
    loaded = load_run(run)
    picture = np.asarray(images.read(PICTURE.read_bytes()))
    print(
        "| size | aspect | mean a, b | deviation | colorful | change of L | seconds |"
    )
    for size in sorted({256, *loaded.inference.sizes}):
        for square in (True, False):
            options = {"square": square} if "square" in loaded.method.options else {}
            if square and not options:
                continue  # a method that always keeps the aspect ratio
            colorizer = Colorizer.load(run, options=options, size=size)
            colorizer(picture)  # compiles
            start = time.perf_counter()
            colored = colorizer(picture)
            seconds = time.perf_counter() - start
            lab = to_lab(colored)
            mean, deviation = lab[..., 1:].mean((0, 1)), lab[..., 1:].std((0, 1))
            change = np.abs(lab[..., 0] - to_lab(picture)[..., 0]).max()
            rgb = jnp.asarray(colored[None], jnp.float32) / 255
            print(
                f"| {size} | {'square' if square else 'kept'} "
                f"| {mean[0]:.2f}, {mean[1]:.2f} | {deviation[0]:.2f}, "
                f"{deviation[1]:.2f} | {float(colorfulness_of(rgb)[0]):.1f} "
                f"| {change:.2f} | {seconds:.2f} |"
            )


def to_lab(picture) -> np.ndarray:
    return np.asarray(rgb_to_lab(jnp.asarray(picture, jnp.float32) / 255))


def compare(runs: list[Path], pictures: Path, out: Path) -> None:
    """One evaluation of all runs, on the center squares of 256 pixels."""
    command = [sys.executable, str(ROOT / "evaluate.py"), f"--out={out}"]
    command += [f"--workdir={run}" for run in runs]
    command += [f"--data.root={pictures}", "--data.resize=256", "--split=all"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
