"""In 20,000 steps of a tiny network, late steps need no more memory, time or disk."""

import contextlib
import json
import os
import statistics
import time
from pathlib import Path

import pytest
from helpers import environment, start, write_config, write_folder

STEPS = 20_000
WARM = range(2_000, 4_000)  # steps after which nothing should change any more
LATE = range(STEPS - 2_000, STEPS)


def sizes(folder):
    """Bytes below a folder that is being written."""
    total = 0
    for parent, _, names in os.walk(folder):  # skips what was removed meanwhile
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(parent, name))
    return total


def sample(process, workdir):
    """Seconds and MB of memory, log and checkpoints, again and again until it ends."""
    begun, samples = time.monotonic(), []
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        memory = [x.split()[1] for x in status.splitlines() if x.startswith("VmRSS")]
        if memory:
            log = workdir / "log.jsonl"
            held = log.stat().st_size if log.exists() else 0
            checkpoints = sizes(workdir / "checkpoints")
            samples.append(
                (
                    time.monotonic() - begun,
                    int(memory[0]) / 1e3,
                    held / 1e6,
                    checkpoints / 1e6,
                )
            )
        time.sleep(0.2)  # a checkpoint more is there only while one is written
    return samples


@pytest.mark.slow
def test_long_run(tmp_path):
    config = write_config(
        tmp_path / "long.py",
        steps=STEPS,
        data=dict(root=str(write_folder(tmp_path / "pictures", 100))),
        checkpoint=dict(every=500, keep=2),
    )
    workdir = tmp_path / "run"
    # Compiled as users have it, unlike in other tests: the steps are faster.
    process = start(config, workdir, env=environment(XLA_FLAGS=""))
    samples = sample(process, workdir)
    assert process.returncode == 0, (tmp_path / "run.txt").read_text()
    lines = list(map(json.loads, (workdir / "log.jsonl").read_text().splitlines()))
    ended = {line["step"]: line["seconds"] for line in lines}

    def seconds(steps):
        taken = [x["step_seconds"] for x in lines if x["step"] in steps]
        return statistics.median(x for x in taken if x is not None)

    def of(column, steps):
        """A column of the samples while these steps were done."""
        first, last = (
            ended[min(ended, key=lambda s: abs(s - n))] for n in (steps[0], steps[-1])
        )
        return [sample[column] for sample in samples if first <= sample[0] <= last]

    memory = {steps: statistics.median(of(1, steps)) for steps in (WARM, LATE)}
    disk = {steps: max(of(3, steps)) for steps in (WARM, LATE)}
    windows = [range(first, first + 2_000) for first in range(0, STEPS, 2_000)]
    print("\nMB by 2,000 steps:", [round(statistics.median(of(1, w))) for w in windows])
    print(
        f"memory {memory[WARM]:.1f} -> {memory[LATE]:.1f} MB, a step "
        f"{1e3 * seconds(WARM):.2f} -> {1e3 * seconds(LATE):.2f} ms, checkpoints "
        f"{disk[WARM]:.2f} -> {disk[LATE]:.2f} MB at most, log "
        f"{samples[-1][2]:.3f} MB in {len(lines)} lines, {ended[STEPS]:.0f} s"
    )
    assert memory[LATE] < 1.02 * memory[WARM]
    assert seconds(LATE) < 1.2 * seconds(WARM)
    assert disk[LATE] < 1.1 * disk[WARM]
    assert len(list((workdir / "checkpoints").iterdir())) <= 3
    assert len(lines) < 2_500 and samples[-1][2] < 1
