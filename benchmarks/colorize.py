"""Time and memory of colorizing: one large picture, many pictures, huge pictures.

    python -m benchmarks.colorize --run runs/quick [--repeats 5]

"parts" times each stage on one picture of 12 megapixels (scikit-image's coffee,
enlarged) in a new process; "cold" is the whole command on it. "one by one" runs a
command for each of three photographs, "folder" one command for all of them. Peaks of
memory are those of the whole command, on 12, 48 and 120 megapixels. "guided"
is the PSNR of ab, in dB above bilinear upsampling, if the coarse ab were the true one.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from skimage import data
from sklearn.datasets import load_sample_image

from benchmarks.timing import interleaved, parser, report

PHOTOGRAPHS = {
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "chelsea": data.chelsea,
    "china": lambda: np.array(load_sample_image("china.jpg")),
    "flower": lambda: np.array(load_sample_image("flower.jpg")),
}
SIDES = (64, 128, 256)
HUGE = (
    ("12.jpg", (3000, 4000), np.uint8),
    ("48.jpg", (6000, 8000), np.uint8),
    ("120.jpg", (9600, 12500), np.uint8),
    ("120.png", (9600, 12500), np.uint16),
)


def main() -> None:
    flags = parser(__doc__, repeats=5)
    flags.add_argument("--run", required=True, help="the workdir of a run")
    flags.add_argument("--parts", type=Path, help="used by the benchmark itself")
    args = flags.parse_args()
    if args.parts:
        print(json.dumps(parts(args.run, args.parts)))
        return
    from colorjax import images

    for side, gains in guided().items():
        print(f"guided, side {side}: {gains}")
    with tempfile.TemporaryDirectory() as place:
        folder, large = Path(place, "folder"), Path(place, "large.jpg")
        coffee = PHOTOGRAPHS["coffee"]()
        images.write(large, images.resize(coffee, (3000, 4000)))
        for name, load in PHOTOGRAPHS.items():
            for i in range(4):
                images.write(folder / f"{name}{i}.jpg", load())
        pictures = sorted(folder.iterdir())
        for name, size, dtype in HUGE:
            huge = images.resize(coffee, size).astype(dtype)
            images.write(
                Path(place, name), huge * dtype(257 if dtype != np.uint8 else 1)
            )
            del huge
            peak, seconds = colorize(args.run, [Path(place, name)], Path(place, "huge"))
            print(f"megapixels and type: {name}: {peak / 1e9:.2f} GB, {seconds:.1f} s")
        own = [
            sys.executable,
            "-m",
            "benchmarks.colorize",
            "--run",
            args.run,
            "--parts",
        ]
        for _ in range(args.repeats):
            print(subprocess.check_output([*own, str(large)], text=True).strip())

        def one_by_one():
            for picture in pictures[:3]:
                colorize(args.run, [picture], Path(place, "out"))

        ways = {
            "cold, 12 megapixels": lambda: colorize(
                args.run, [large], Path(place, "o")
            ),
            "one by one": one_by_one,
            "folder": lambda: colorize(args.run, [folder], Path(place, "out")),
        }
        seconds = interleaved(ways, args.repeats, warmup=1)
    per_picture = {"cold, 12 megapixels": 1, "one by one": 3, "folder": len(pictures)}
    seconds = {
        f"{name}, a picture": [x / per_picture[name] for x in values]
        for name, values in seconds.items()
    }
    report(
        seconds,
        {"one by one / folder": ("one by one, a picture", "folder, a picture")},
        {"run": args.run, "pictures": len(pictures)},
        args.json,
    )


def colorize(run: str, inputs: list[Path], out: Path) -> tuple[int, float]:
    """Peak memory in bytes, and seconds, of a command in its own process."""
    # A child's peak starts at its parent's memory, so a small process is in between.
    command = [sys.executable, "-m", "colorjax", "colorize", *map(str, inputs)]
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "capture_output=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    options = ["--run", run, "--out", str(out), "--overwrite"]
    begun = time.perf_counter()
    peak = subprocess.check_output([sys.executable, "-c", code, *command, *options])
    return int(peak) * 1024, time.perf_counter() - begun


def parts(run: str, path: Path) -> dict[str, float]:
    """Seconds of each stage, in order."""
    stages, begun = {}, time.perf_counter()

    def passed(stage):
        nonlocal begun
        now = time.perf_counter()
        stages[stage], begun = round(now - begun, 2), now

    from colorjax import images
    from colorjax.inference import compose, upsample
    from colorjax.inference.colorizer import Colorizer

    passed("imports")
    colorizer = Colorizer.load(run)
    passed("load")
    picture = images.read_full(path.read_bytes())
    passed("decode the file")
    distribution = colorizer.predict(picture)
    passed("compile and predict")
    colorizer.predict(picture)
    passed("predict again")
    guide = upsample.fit(distribution.lightness, distribution.decode())
    passed("decode the distribution")
    result = compose.replace_ab_guided(picture, guide)
    passed("compile and replace ab")
    compose.replace_ab_guided(picture, guide)
    passed("replace ab again")
    images.encode(result, "JPEG")
    passed("encode JPEG")
    images.encode(result, "PNG")
    passed("encode PNG")
    return stages


def guided() -> dict[int, dict[str, float]]:
    """dB of guided above bilinear upsampling, by working side and photograph."""
    import jax.numpy as jnp

    from colorjax import images
    from colorjax.color import rgb_to_lab
    from colorjax.inference.upsample import COARSE, fit

    def lab(picture):
        values = np.asarray(rgb_to_lab(jnp.asarray(picture, jnp.float32) / 255))
        return values[..., 0], values[..., 1:]

    def resized(planes, size):
        planes = [images.resize(p.copy(), size) for p in np.moveaxis(planes, 2, 0)]
        return np.stack(planes, axis=-1)

    gains = {}
    for side in SIDES:
        gains[side] = {}
        for name, load in PHOTOGRAPHS.items():
            picture = load()
            lightness, ab = lab(picture)
            small, colors = lab(images.resize_short(picture, side))
            coarse = tuple(-(-n // COARSE) for n in small.shape)
            guide = fit(small.copy(), resized(resized(colors, coarse), small.shape))
            planes = guide.planes(lightness.shape)
            plain, gain, base = np.split(planes, (2, 4), axis=2)
            moved = plain + gain * (lightness[..., None] - base)
            better = np.mean((plain - ab) ** 2) / np.mean((moved - ab) ** 2)
            gains[side][name] = round(float(10 * np.log10(better)), 2)
    return gains


if __name__ == "__main__":
    main()
