"""Pictures a second that the input pipeline makes of JPEG files, beside tf.data.

    python -m benchmarks.input [--pictures N] [--passes N] [--workers N] [--json PATH]

Both read, decode, resize to a short side of 256, cut a random 176 x 176, mirror half
and batch 40 of the same photographs of 500 x 375 pixels (scikit-image's and
scikit-learn's, in JPEG), in processes of their own, with one core for each, as both are
rated by core; and with all cores. tf.data's part runs where tensorflow is installed,
in this Python or in the one that --tensorflow names.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import parse, parser, report

BATCH, RESIZE, CROP = 40, 256, 176

TF_DATA = """
import json, os, sys, time
folder, batches, rounds, cores = sys.argv[1], *map(int, sys.argv[2:])
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:cores])
import tensorflow as tf

def example(path, seed):
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    size = tf.cast(tf.round(size * 256 / tf.reduce_min(size)), tf.int32)
    image = tf.image.resize(image, size, antialias=True)
    image = tf.image.stateless_random_crop(image, (176, 176, 3), (seed, seed))
    image = tf.image.stateless_random_flip_left_right(image, (seed, 1))
    return tf.cast(tf.round(image), tf.uint8)

files = tf.data.Dataset.list_files(folder + "/*.jpg", shuffle=True, seed=0).repeat()
data = tf.data.Dataset.zip(files, tf.data.Dataset.counter(dtype=tf.int32))
data = data.map(example, num_parallel_calls=tf.data.AUTOTUNE).batch(40)
batches_ = iter(data.prefetch(tf.data.AUTOTUNE))
seconds = []
for i in range(-4, batches * rounds):
    if i % batches == 0:
        begun = time.perf_counter()
    next(batches_)
    if i >= 0 and i % batches == batches - 1:
        seconds.append(time.perf_counter() - begun)
print(json.dumps(seconds))
"""

COLORJAX = """
import json, os, sys, time
folder, batches, rounds, cores, workers = sys.argv[1], *map(int, sys.argv[2:])
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:cores])
from absl import flags
from colorjax.data.pipeline import ImageDataset

flags.FLAGS.mark_as_parsed()  # Grain's worker processes ask for them
pictures = ImageDataset(
    root=folder, holdout="hash", resize=256, crop=176, workers=workers
)
source = pictures.source("all")
steps = 4 + batches * rounds + 40
data = pictures.training(source, seed=0, batch=40, start=0, steps=steps)
seconds = []
for i in range(-4, batches * rounds):
    if i % batches == 0:
        begun = time.perf_counter()
    next(data)
    if i >= 0 and i % batches == batches - 1:
        seconds.append(time.perf_counter() - begun)
print(json.dumps(seconds))
data.close()
"""


def write_jpegs(folder: Path, count: int, width: int = 500, noise: float = 0) -> None:
    """`count` JPEG files of 4:3, cut out of seven photographs, `width` pixels wide.

    `noise` is the standard deviation of the noise of each sample, like that of a
    camera. Enlarged photographs without it would make small files.
    """
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_images

    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    photographs += load_sample_images().images
    random = np.random.default_rng(0)
    for i in range(count):
        image = Image.fromarray(photographs[i % len(photographs)])
        scale = random.uniform(0.7, 1) * min(image.width / 4, image.height / 3)
        left = random.uniform(0, image.width - 4 * scale)
        top = random.uniform(0, image.height - 3 * scale)
        box = (left, top, left + 4 * scale, top + 3 * scale)
        size = (width, 3 * width // 4)
        image = image.resize(size, Image.Resampling.BICUBIC, box)
        if noise:
            grain = random.normal(0, noise, (*size[::-1], 1)).astype("f4")
            image = Image.fromarray(
                (np.asarray(image) + grain).clip(0, 255).astype("u1")
            )
        image.save(folder / f"{i:04d}.jpg", quality=92)


def seconds(python: str, code: str, *args: object) -> list[float] | None:
    """What the program prints; None where it lacks a library."""
    command = [python, "-c", code, *map(str, args)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if "No module named 'tensorflow'" in done.stderr:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    flags = parser(__doc__, repeats=4)
    flags.add_argument("--pictures", type=int, default=400)
    flags.add_argument("--batches", type=int, default=8, help="in a timed round")
    flags.add_argument("--workers", type=int, default=2, help="with all cores")
    flags.add_argument("--tensorflow", default=sys.executable, metavar="PYTHON")
    args = parse(flags)
    cores = len(os.sched_getaffinity(0))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(Path(folder), args.pictures)
        for n in sorted({1, cores}):
            shape = (folder, args.batches, args.repeats // 2, n)
            ours, theirs = f"colorjax, {n} cores", f"tf.data, {n} cores"
            for _ in range(2):  # the ways take turns
                workers = args.workers if n > 1 else 0
                run = seconds(sys.executable, COLORJAX, *shape, workers)
                found.setdefault(ours, []).extend(run)
                run = seconds(args.tensorflow, TF_DATA, *shape)
                if run is not None:
                    found.setdefault(theirs, []).extend(run)
                time.sleep(0.5)
    pictures = BATCH * args.batches
    each = {name: [t / pictures for t in times] for name, times in found.items()}
    ratios = {
        f"{name} / colorjax": (name, name.replace("tf.data", "colorjax"))
        for name in each
        if name.startswith("tf.data")
    }
    report(each, ratios, {"pictures": args.pictures, "unit": "a picture"}, args.json)


if __name__ == "__main__":
    main()
