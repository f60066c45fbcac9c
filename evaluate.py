"""Evaluate a run on held-out pictures: python evaluate.py --workdir=DIR [--split=...].

Reads the run's own config and its last finished checkpoint (or that of --step), prints
its figures beside those of the grey baseline, and writes them to DIR/evaluation.json.
"""

import sys

from absl import flags
from etils import epath

from colorjax import config as configs
from colorjax import files, run
from colorjax.errors import UserError
from colorjax.evaluation import Row, grey_row
from colorjax.sharding import make_mesh

WORKDIR = flags.DEFINE_string("workdir", None, "The directory of the run.")
STEP = flags.DEFINE_integer("step", None, "A checkpoint other than the last one.")
SPLIT = flags.DEFINE_string("split", None, "Any split, or else the run's held-out one.")


def main() -> None:
    if not WORKDIR.value:
        raise UserError("give the directory of a run: --workdir=runs/quick")
    loaded = run.load(WORKDIR.value, STEP.value)
    evaluation = run.make_evaluation(loaded.config["evaluation"])
    rows = {"this run": Row(loaded.method.predict, loaded.nets), "grey": grey_row()}
    split = SPLIT.value or loaded.pictures.test_split
    mesh = make_mesh()
    metrics = evaluation(rows, loaded.pictures, split, loaded.prior, mesh)
    path = epath.Path(WORKDIR.value) / "evaluation.json"
    files.write_json(path, {"step": loaded.step, **metrics})
    print(run.metrics_table(metrics))
    print(f"step {loaded.step}, figures in {path}")


if __name__ == "__main__":
    try:
        configs.parse_flags(sys.argv)
        main()
    except UserError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
