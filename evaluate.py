"""Evaluate runs beside baselines: python evaluate.py --workdir=RUN [--workdir=RUN2].

All models are evaluated on the same images in one pass: the held-out images of the
runs, or those that --data.name or --data.root and --split name. The program prints a
table with the columns of the paper's Table 1 and newer metrics. It writes the table,
its protocol and the provenance of each model to evaluation.json, .md and .html in --out
(the directory of the first run), and the scores of each image to evaluation.csv.

By default only metrics that need no network are computed. Name others with their files:
--metrics=standard,classification,lpips,fid --classifier=FILE --inception=FILE.
Several hosts share the work as in train.py: start one process on each.
"""

import dataclasses
import functools
import sys
from collections.abc import Mapping
from typing import Any

from colorjax.loading import loading

with loading("evaluate.py"):
    import jax
    from absl import flags
    from etils import epath
    from jax.sharding import Mesh

    from colorjax import files, runtime
    from colorjax.command_line import define_process_flags, parse_setting
    from colorjax.data.pipeline import ImageDataset
    from colorjax.data.sources import Source
    from colorjax.data.statistics import estimate_prior, mean_colors
    from colorjax.distributed import make_mesh
    from colorjax.errors import UserError, counted
    from colorjax.evaluation import protocol
    from colorjax.evaluation.baselines import NAMES, baselines
    from colorjax.evaluation.engine import Evaluated, Predictor, method_predictor
    from colorjax.evaluation.gallery import gallery
    from colorjax.evaluation.hinted import add_hints
    from colorjax.evaluation.metrics import Context, make_metrics, page_metrics
    from colorjax.evaluation.metrics.fid import Moments, original_moments
    from colorjax.evaluation.overlap import count_overlap
    from colorjax.evaluation.results import Results, merge, write_results
    from colorjax.evaluation.tables import markdown_table, text_table
    from colorjax.evaluation.timing import time_prediction
    from colorjax.progress import report
    from colorjax.train.storage import Step
    from colorjax.train.workdir import Run, load_run, name_runs

WORKDIR = flags.DEFINE_multi_string(
    "workdir", [], "The directory of a run; repeatable."
)
SET = flags.DEFINE_multi_string(
    "set", [], "An option of the runs' methods, as in method.steps=8; repeatable."
)
SEED = flags.DEFINE_integer("seed", 0, "The seed of stochastic methods.", 0, 2**31 - 1)
LIMIT = flags.DEFINE_integer(
    "limit", None, "How many images, spread evenly over the split; default: all.", 1
)
STEP = flags.DEFINE_string(
    "step", None, "A checkpoint's step, or best; default: the last."
)
HINTS = flags.DEFINE_list(
    "hints", [], "Numbers of hints, as 0,1,10,100: PSNR with so many an image."
)
TIME = flags.DEFINE_bool("time", False, "Measure the time of each run for one image.")
SPLIT = flags.DEFINE_string("split", None, "The split; default: the held-out one.")
DATA = {
    name: flags.DEFINE_string(f"data.{name}", None, f"As in a config: data.{name}.")
    for name in ("name", "root", "data_dir", "train_split", "holdout", "list")
} | {
    name: flags.DEFINE_integer(f"data.{name}", None, f"As in a config: data.{name}.")
    for name in ("resize", "max_unmatched")
}
BASELINES = flags.DEFINE_list("baselines", list(NAMES), "Baselines to compare with.")
METRICS = flags.DEFINE_list("metrics", ["standard"], "Families of metrics.")
CLASSIFIER = flags.DEFINE_string("classifier", None, "The file of VGG-16's weights.")
INCEPTION = flags.DEFINE_string("inception", None, "The file of Inception's weights.")
CLIP = flags.DEFINE_string("clip", None, "The file of CLIP's weights.")
ADD = flags.DEFINE_string("add", None, "An evaluation.json whose models to add.")
PROCESSES = define_process_flags()
OUT = flags.DEFINE_string("out", None, "The directory for the results.")


def main() -> int:
    """Evaluate what the flags name.

    Returns 1 where a metric cannot be computed or a prediction is not finite, else 0.
    """
    runtime.start(PROCESSES())
    # ---- The runs, and the data set to compare them on.
    check_flags()
    paths = name_runs(WORKDIR.value)
    runs = load_runs(paths)
    dataset, prior = protocol.common_dataset(runs, data_overrides())
    split = SPLIT.value or dataset.test_split
    source = dataset.source(split)
    section = runs[next(iter(runs))].config["evaluation"] | {"limit": LIMIT.value}
    evaluation = protocol.make_evaluation(section)
    mesh = make_mesh()
    batch = evaluation.whole_batch(mesh)

    def training_pass(label):
        train = dataset.source(dataset.train_split)
        return dataset.single_pass(train, batch, label)

    if prior is None:
        prior = estimate_prior(training_pass("estimating the prior"), mesh)

    # ---- The metrics. One that cannot be computed does not stop the others.
    moments = functools.partial(fid_moments, dataset, split, batch, mesh)
    weights = CLASSIFIER.value, INCEPTION.value, CLIP.value
    context = Context(prior, dataset.resize, source.classes, *weights, moments)
    metrics, problems = make_metrics(context, METRICS.value)
    warn(problems)

    # ---- One pass over the images, for all models and baselines.
    predictors = {k: method_predictor(x.method, x.nets) for k, x in runs.items()}
    predictors |= baselines(
        BASELINES.value, lambda: mean_colors(training_pass("the mean image"), mesh)
    )
    others = dataset.source(dataset.train_split) if "random" in predictors else None
    conditions, evaluated = evaluation(
        predictors, metrics | page_metrics(), dataset, split, mesh, others, SEED.value
    )
    warn(unlabelled := missing_labels(metrics, evaluated))
    if counts := hint_counts():
        data = evaluation, dataset, split, batch, SEED.value
        conditions, evaluated = add_hints(conditions, evaluated, runs, counts, *data)
    if jax.process_index():  # the first process writes the results
        return 0

    # ---- The results.
    overlap = overlap_of(runs, paths, dataset, evaluation.chosen(source))
    conditions = dataclasses.replace(conditions, overlap=overlap)
    times = measured_times({name: predictors[name] for name in runs}, dataset.resize)
    results = Results.of(conditions, evaluated, runs, SEED.value, times)
    results = merge(results, ADD.value) if ADD.value else results
    page, scores, not_finite = gallery(
        predictors, evaluated, results, dataset, source, SEED.value
    )
    warn(not_finite)
    write(epath.Path(OUT.value or WORKDIR.value[0]), results, page, scores)
    return 1 if problems or unlabelled or not_finite else 0


def check_flags() -> None:
    """Raise `UserError` where a flag is empty that names what to evaluate."""
    if not METRICS.value:
        raise UserError("--metrics names no family; leave it out, or name one")
    if not WORKDIR.value:
        raise UserError("give the directory of a run: --workdir=runs/quick")
    hint_counts()


def load_runs(paths: Mapping[str, str]) -> dict[str, Run]:
    """The runs by name, at the step and with the settings that the flags give."""
    step, settings = parse_step(STEP.value), dict(map(parse_setting, SET.value))
    return {name: load_run(path, step, settings) for name, path in paths.items()}


def data_overrides() -> dict[str, Any]:
    """The keys of the `data` section that flags give."""
    return {key: x.value for key, x in DATA.items() if x.value is not None}


def parse_step(text: str | None) -> Step:
    """What --step says. Raises `UserError` where it is neither a number nor best."""
    if text is None or text == "best":
        return text
    if not text.isdecimal():
        raise UserError(f"--step is '{text}'; give the step of a checkpoint, or best")
    return int(text)


def fid_moments(
    dataset: ImageDataset, split: str, batch: int, mesh: Mesh, net: Any, variables: Any
) -> tuple[Moments, Moments, dict[str, Any]]:
    """Moments of a network's features on the evaluated images, the same on as many
    images of the training split, and the settings that describe the latter."""
    source = dataset.source(split)
    others = protocol.disjoint(dataset, split, len(source))
    same, disjoint = (
        original_moments(net, variables, dataset.single_pass(x, batch, label), mesh)
        for x, label in ((source, "originals"), (others, "disjoint originals"))
    )
    return same, disjoint, {"disjoint": dataset.train_split, "pictures": len(others)}


def hint_counts() -> list[int]:
    """The numbers of --hints. Raises `UserError` where one is no number."""
    if wrong := [text for text in HINTS.value if not text.isdecimal()]:
        raise UserError(f"--hints: '{wrong[0]}' is no number; write them as 0,1,10,100")
    return sorted(set(map(int, HINTS.value)))


def measured_times(models: Mapping[str, Predictor], side: int) -> dict[str, float]:
    """The milliseconds of each model for an image, if --time asks for them."""
    if not TIME.value:
        return {}
    return {name: time_prediction(model, side) for name, model in models.items()}


def write(out: epath.Path, results: Results, page: str, scores: str) -> None:
    """Write the files to the directory `out`; print the table and their paths."""
    write_results(out / "evaluation.json", results)
    files.write_bytes(out / "evaluation.md", f"{markdown_table(results)}\n".encode())
    files.write_bytes(out / "evaluation.html", page.encode())
    files.write_bytes(out / "evaluation.csv", scores.encode())
    print(text_table(results))
    print(f"metrics: {out}/evaluation.json, .md and .csv; page: {out}/evaluation.html")


def missing_labels(
    metrics: Mapping[str, Any], evaluated: Mapping[str, Evaluated]
) -> list[str]:
    """A message where classification is asked for and the images have no labels."""
    labelled = any("top1" in x.metrics for x in evaluated.values())
    if "classification" in metrics and not labelled:
        return ["classification: left out; the images have no labels"]
    return []


def overlap_of(
    runs: dict[str, Run],
    paths: dict[str, str],
    dataset: ImageDataset,
    images: Source,
) -> dict[str, int] | None:
    """How many images each run has trained on, also printed; None if no run has."""
    overlap = count_overlap(runs, paths, dataset, images)
    total = counted(len(images), "image")
    warn([f"{name} has trained on {n} of {total}" for name, n in overlap.items()])
    return overlap or None


def warn(messages: list[str]) -> None:
    """Print messages to the error stream, of several processes once."""
    for message in messages:
        report(f"evaluate.py: {message}")


if __name__ == "__main__":
    sys.exit(runtime.run_main("evaluate.py", main, sys.argv))
