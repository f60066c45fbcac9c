"""Evaluate runs beside baselines: python evaluate.py --workdir=RUN [--workdir=RUN2].

All rows see the same pictures in one pass: the runs' held-out ones, or those of
--data.name or --data.root, and --split. Prints a table with the columns of the paper's
Table 1 and today's metrics, and writes it with its protocol and provenance as
evaluation.json, .md and .html into --out (the first run's directory if left out), with
a line a picture in evaluation.csv.

Closed-form metrics are the default; others are asked for by name, with their files:
--metrics=standard,classification,lpips,fid --classifier=FILE --inception=FILE.
"""

import sys

from absl import flags
from etils import epath

from colorjax import files, runtime
from colorjax.data.statistics import estimate_prior
from colorjax.distributed import make_mesh
from colorjax.errors import UserError
from colorjax.evaluation import protocol
from colorjax.evaluation.baselines import NAMES, baselines, mean_colors
from colorjax.evaluation.engine import method_predictor
from colorjax.evaluation.gallery import gallery
from colorjax.evaluation.metrics import Context, make_metrics, shown_metrics
from colorjax.evaluation.metrics.fid import original_moments
from colorjax.evaluation.results import comparison, markdown_table, merge, text_table
from colorjax.runtime import enable_compilation_cache
from colorjax.train.workdir import load_runs

WORKDIR = flags.DEFINE_multi_string(
    "workdir", [], "The directory of a run; repeatable."
)
STEP = flags.DEFINE_integer("step", None, "A checkpoint other than the last one.")
SPLIT = flags.DEFINE_string("split", None, "Any split, or else the held-out one.")
DATA = {
    name: flags.DEFINE_string(f"data.{name}", None, f"As in a config: data.{name}.")
    for name in ("name", "root", "data_dir", "train_split", "holdout", "list")
} | {
    "resize": flags.DEFINE_integer("data.resize", None, "As in a config: data.resize.")
}
BASELINES = flags.DEFINE_list("baselines", list(NAMES), "Rows that need no run.")
METRICS = flags.DEFINE_list("metrics", ["standard"], "Families of metrics.")
CLASSIFIER = flags.DEFINE_string("classifier", None, "A file with VGG-16's weights.")
INCEPTION = flags.DEFINE_string(
    "inception", None, "A file with Inception-v3's weights."
)
ADD = flags.DEFINE_string("add", None, "An earlier evaluation.json, to add its rows.")
OUT = flags.DEFINE_string("out", None, "Where the results go.")


def main() -> int:
    runtime.configure_malloc()
    enable_compilation_cache()
    # ---- The runs, and the pictures to compare them on.
    if not WORKDIR.value:
        raise UserError("give the directory of a run: --workdir=runs/quick")
    loaded = load_runs(WORKDIR.value, STEP.value)
    given = {key: flag.value for key, flag in DATA.items() if flag.value is not None}
    pictures, prior = protocol.common_dataset(loaded, given)
    split = SPLIT.value or pictures.test_split
    source = pictures.source(split)
    first = next(iter(loaded.values()))
    evaluation = protocol.make_evaluation(first.config["evaluation"])
    mesh = make_mesh()
    batch = evaluation.whole_batch(mesh)

    def training_pass(label):
        train = pictures.source(pictures.train_split)
        return protocol.single_pass(pictures, train, batch, label)

    if prior is None:
        prior = estimate_prior(training_pass("estimating the prior"), mesh)

    # ---- The metrics; one that cannot be had is told, and the others still come.
    def originals(net, variables):
        """Features of the evaluated pictures, and of as many of the training split."""
        others = protocol.disjoint(pictures, split, len(source))
        same, disjoint = (
            original_moments(
                net, variables, protocol.single_pass(pictures, x, batch, label), mesh
            )
            for x, label in ((source, "originals"), (others, "disjoint originals"))
        )
        settings = {"disjoint": pictures.train_split, "pictures": len(others)}
        return same, disjoint, settings

    context = Context(
        prior, pictures.resize, CLASSIFIER.value, INCEPTION.value, originals
    )
    metrics, problems = make_metrics(context, METRICS.value)
    for problem in problems:
        print(f"evaluate.py: {problem}", file=sys.stderr)

    # ---- One pass over the pictures, for all rows.
    rows = {
        name: method_predictor(x.method.predict, x.nets) for name, x in loaded.items()
    }
    rows = rows | baselines(
        BASELINES.value, lambda: mean_colors(training_pass("the mean picture"), mesh)
    )
    others = None
    if "random" in rows:
        others = pictures.source(pictures.train_split)
    metrics |= shown_metrics()
    measured = evaluation(rows, metrics, pictures, split, mesh, others)
    if "classification" in metrics and not measured.labelled():
        problems.append("classification: left out; the pictures have no labels")
        print(f"evaluate.py: {problems[-1]}", file=sys.stderr)
    results = comparison(measured, {name: loaded.get(name) for name in rows})
    if ADD.value:
        results = merge(results, ADD.value)

    # ---- What a person reads.
    out = epath.Path(OUT.value or WORKDIR.value[0])
    page, scores, strange = gallery(rows, measured, results, pictures, source)
    for problem in strange:
        print(f"evaluate.py: {problem}", file=sys.stderr)
    files.write_json(out / "evaluation.json", results)
    files.write_bytes(out / "evaluation.md", f"{markdown_table(results)}\n".encode())
    files.write_bytes(out / "evaluation.html", page.encode())
    files.write_bytes(out / "evaluation.csv", scores.encode())
    print(text_table(results))
    print(f"figures: {out}/evaluation.json, .md and .csv; page: {out}/evaluation.html")
    return 1 if problems or strange else 0


if __name__ == "__main__":
    sys.exit(runtime.run_main("evaluate.py", main, sys.argv))
