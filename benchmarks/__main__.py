"""All benchmarks that fit a machine, one after another, with a table of their ratios.

    python -m benchmarks [--device gpu] [--tensorflow PYTHON] [--out DIR]

About fifteen minutes on 2 cores. DIR (or benchmarks-out) gets NAME.json of each and
table.md. Of one that fails the last line is told, and the others still come.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from colorjax.evaluation.tables import table

CPU = {
    "soft_encode": ["soft_encode"],
    "loss": ["loss"],
    "train_step": ["train_step"],
    "train_step_8": ["train_step", "--batch=8", "--repeats=5"],
    "config_step": ["config_step"],
    "inference": ["inference"],
    "shipped": ["shipped"],
    "winograd": ["winograd"],
    "input": ["input"],
    "photographs": ["photographs"],
    "start": ["start"],
    "scaling": ["scaling"],
    "evaluation": ["evaluation"],
}
LARGE = ["--dtype=bfloat16", "--device=gpu"]
GPU = {
    "soft_encode": ["soft_encode", "--device=gpu", "--pictures=256"],
    "loss": ["loss", *LARGE, f"--pixels={256 * 44 * 44}"],
    "train_step": ["train_step", *LARGE, "--batch=256", "--side=176", "--compile"],
    "inference": ["inference", "--device=gpu", "--batch=64"],
    "scaling": ["scaling", "--device=gpu", "--width=1"],
}


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    flags.add_argument("--tensorflow", metavar="PYTHON", help="for tf.data's part")
    flags.add_argument("--out", type=pathlib.Path, default="benchmarks-out")
    args = flags.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows, failed = {}, 0
    for name, (module, *options) in (GPU if args.device == "gpu" else CPU).items():
        path = args.out / f"{name}.json"
        if module == "input" and args.tensorflow:
            options = [*options, f"--tensorflow={args.tensorflow}"]
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{module}", *options]
        done = subprocess.run([*command, f"--json={path}"], stderr=subprocess.PIPE)
        if done.returncode:
            failed += 1
            print(done.stderr.decode().strip().splitlines()[-1], file=sys.stderr)
            continue
        for label, ratio in json.loads(path.read_text())["ratios"].items():
            rows[f"{name}: {label}"] = {"ratio of medians": f"{ratio:.2f}"}
    if rows:
        text = table(rows)
        (args.out / "table.md").write_text(f"{text}\n")
        print(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
