"""Samples of a diffusion run: how they differ, and how many steps they need.

    python docs/results/palette.py [--workdir=runs/cifar10/Palette] [--limit=200]

The script evaluates a run of configs/cifar10_palette.py on images of its test split,
spread evenly, and writes docs/results/palette.md and palette.jpg.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from colorjax import runtime
from colorjax.color import into_gamut, lab_to_rgb
from colorjax.distributed import make_mesh
from colorjax.evaluation import protocol
from colorjax.evaluation.baselines import baselines
from colorjax.evaluation.engine import Predictor, method_predictor
from colorjax.evaluation.metrics import Context, make_metrics
from colorjax.evaluation.tables import table
from colorjax.method import Method, Prediction, image_keys, to_examples
from colorjax.train.workdir import load_run

STEPS = (4, 6, 8, 12, 25, 50)
COLUMNS = {  # the title of a column, its metric and its decimals
    "PSNR": ("psnr", 2),
    "AuC": ("auc", 4),
    "AuC bal.": ("auc_balanced", 4),
    "colourf.": ("colourfulness", 2),
}


def many(method: Method, nets, count: int, choose) -> Predictor:
    """A predictor that makes one prediction of `count` samples [n b h w 2].

    `choose(samples, examples)` returns ab.
    """

    def predict(nets, examples, keys):
        def one(number):
            own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
            return method.predict(nets, {"lightness": examples["lightness"]}, own).ab

        return Prediction(choose(jax.lax.map(one, jnp.arange(count)), examples))

    return Predictor(predict, nets)


def best(samples, examples):
    """Of each image the sample with the highest PSNR."""
    lightness = jnp.broadcast_to(examples["lightness"], (*samples.shape[:-1], 1))
    rgb = jnp.clip(lab_to_rgb(jnp.concatenate([lightness, samples], axis=-1)), 0, 1)
    error = jnp.square(rgb - examples["rgb"]).mean(axis=(2, 3, 4))
    return samples[error.argmin(axis=0), jnp.arange(samples.shape[1])]


def evaluate(predictors, run, limit):
    """The metrics of the predictors as rows of a table."""
    evaluation = protocol.make_evaluation({"limit": limit, "batch": min(limit, 250)})
    mesh, dataset = make_mesh(), run.dataset
    metrics, _ = make_metrics(
        Context(run.prior, dataset.resize, None, None, None), ["standard"]
    )
    results = evaluation(predictors, metrics, dataset, dataset.test_split, mesh)[1]
    return {
        name: {
            title: f"{result.metrics[key].value:.{decimals}f}"
            for title, (key, decimals) in COLUMNS.items()
        }
        for name, result in results.items()
    }


def spread(run, count=100):
    """The standard deviation of ab between four samples of an image, in all pixels and
    in those that are nearly black or white; and the images for the picture."""
    dataset = run.dataset
    source = protocol.Evenly(dataset.source(dataset.test_split), count)
    batch = next(iter(dataset.single_pass(source, count, "samples")))
    examples = to_examples(batch)
    draw = jax.jit(run.method.predict)
    inputs = {"lightness": examples["lightness"]}
    keys = [image_keys(seed, jnp.arange(count)) for seed in range(4)]
    lightness = examples["lightness"]
    labs = (
        jnp.concatenate([lightness, draw(run.nets, inputs, key).ab], axis=-1)
        for key in keys
    )
    samples = np.stack([into_gamut(lab)[..., 1:] for lab in labs])
    deviation = np.sqrt(samples.var(axis=0, ddof=1).mean(axis=-1))
    light = np.asarray(lightness[..., 0])
    settled = (light < 2) | (light > 98)
    return (
        np.sqrt(np.square(deviation).mean()),
        np.sqrt(np.square(deviation[settled]).mean()),
        examples,
        samples,
    )


def write_grid(path, examples, samples, count=16):
    """Rows: originals, grey, then four samples."""

    def rgb(ab):
        lab = np.concatenate([examples["lightness"], ab], axis=-1)
        return np.clip(np.asarray(lab_to_rgb(jnp.asarray(lab))), 0, 1)

    rows = [np.asarray(examples["rgb"]), rgb(0 * samples[0]), *map(rgb, samples)]
    rows = [np.concatenate(list(row[:count]), axis=1) for row in rows]
    image = np.round(255 * np.concatenate(rows)).astype(np.uint8)
    image = image.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(image).save(path, quality=90)


def report(run, rows, steps, deviation, settled, limit) -> str:
    """The text of the page."""
    return f"""# Samples of Palette on CIFAR-10

`python docs/results/palette.py` makes this page from the run in
[the table of CIFAR-10](cifar10.md), on {limit} images that are spread evenly over
`{run.dataset.test_split}`.

A method that samples has no single answer, so one sample is not all that there is to
measure. Of four samples, the best is the one with the highest PSNR. The mean of 16 is
close to what an L2 loss teaches.

{table(rows)}

The standard deviation of ab between four samples of an image is {deviation:.1f} units.
In pixels that are nearly black or white (L below 2 or above 98), where L settles the
color, it is {settled:.1f}.

With `dpmpp_2m` each step evaluates the net once. One sample:

{table(steps)}

![Originals, grey, and four samples of each](palette.jpg)

The rows are the originals, what the net sees, and four samples of each image. They are
the first images of the set, not chosen.

In these tables the best of four is 2.3 dB and .03 of balanced AuC above one
sample. The mean of 16 is .03 of AuC above one sample and .008 above grey; the L2 row of
the table of CIFAR-10 is .007 above grey, on all 5000 images. Samples need 8 steps: with
fewer, their colors are weaker, and with more they change little.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", default="runs/cifar10/Palette")
    parser.add_argument("--limit", type=int, default=200)
    args = parser.parse_args()
    runtime.enable_compilation_cache()
    run, page = load_run(args.workdir), Path(__file__).with_suffix(".md")
    others = baselines(["grey", "original"], lambda: None)
    predictors = {
        "one sample": method_predictor(run.method, run.nets),
        "best of 4": many(run.method, run.nets, 4, best),
        "mean of 16": many(run.method, run.nets, 16, lambda x, _: x.mean(axis=0)),
    }
    rows = evaluate(predictors | others, run, args.limit)
    methods = {n: load_run(args.workdir, options={"steps": n}).method for n in STEPS}
    steps = evaluate(
        {f"{n} steps": method_predictor(x, run.nets) for n, x in methods.items()},
        run,
        args.limit,
    )
    deviation, settled, examples, samples = spread(run)
    write_grid(page.with_suffix(".jpg"), examples, samples)
    page.write_text(report(run, rows, steps, deviation, settled, args.limit))


if __name__ == "__main__":
    main()
