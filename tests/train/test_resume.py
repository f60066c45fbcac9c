"""A run that was killed and resumed equals an uninterrupted run, bit for bit."""

import json
import re
import signal
import time
from random import Random

import pytest
from helpers import (
    FIXTURES,
    PALETTE,
    process_flags,
    run_train,
    start,
    wait_for,
    write_config,
)
from states import assert_same_run

STEPS, EVERY = 12, 5
CHANGES = dict(
    steps=STEPS,
    data=dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=24, crop=16),
    optimizer=dict(learning_rate=1e-3, decay="cosine"),
    checkpoint=dict(every=EVERY, keep=2),
)


@pytest.fixture(scope="module")
def undisturbed(tiny_run):
    run = tiny_run(**CHANGES)
    return run.config, run.workdir


def checkpoints_begun(workdir):
    """Those that are there, finished or being written."""
    return {path.name for path in (workdir / "checkpoints").glob("*")}


METHODS = {
    "zhang2016": {},
    "palette": PALETTE,
    "control_color": PALETTE | {"name": "control_color", "nouns": ["a", "b"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_killed_while_saving(method, tiny_run, tmp_path):
    """kill -9 as soon as the second checkpoint is begun; the run resumes from the last
    finished one."""
    config, expected, _ = tiny_run(**CHANGES, **({"method": method} if method else {}))
    workdir = tmp_path / "killed"
    process = start(config, workdir)
    wait_for(lambda: len(checkpoints_begun(workdir)) > 1, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    finished = [int(name) for name in checkpoints_begun(workdir) if name.isdigit()]
    assert EVERY in finished
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    assert f"going on from step {max(finished)}" in result.err
    assert_same_run(workdir, expected, STEPS)


@pytest.mark.slow
def test_sigterm_saves_and_stops(undisturbed, tmp_path):
    config, expected = undisturbed
    workdir = tmp_path / "terminated"
    process = start(config, workdir)
    wait_for(lambda: checkpoints_begun(workdir), process)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    text = (tmp_path / "terminated.txt").read_text()
    assert "the same command resumes" in text and "Traceback" not in text
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    assert "going on from step" in result.err
    assert_same_run(workdir, expected, STEPS)


def test_finished_run_evaluates_again(tiny_run):
    config, workdir, _ = tiny_run()
    before = (workdir / "metrics.json").read_text()
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    assert (workdir / "metrics.json").read_text() == before


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "victim"), [(2, 1), (2, 0), (4, 2)])
def test_one_of_several_killed(processes, victim, undisturbed, tmp_path):
    """kill -9 of one process ends the others; the same commands resume the run."""
    config, _ = undisturbed

    def start_all(workdir):
        return [start(config, workdir, *flags) for flags in process_flags(processes)]

    expected, workdir = tmp_path / "undisturbed", tmp_path / "killed"
    assert not any(process.wait(120) for process in start_all(expected))
    group = start_all(workdir)
    wait_for((workdir / f"checkpoints/{EVERY}").exists, group[victim])
    group[victim].kill()
    codes = [process.wait(120) for process in group]  # seconds
    assert all(codes) and codes[victim] == -signal.SIGKILL
    assert not (workdir / f"checkpoints/{STEPS}").exists()
    text = (tmp_path / "killed.txt").read_text()
    assert "another process was lost" in text and "Traceback" not in text
    assert not any(process.wait(120) for process in start_all(workdir))
    assert f"going on from step {EVERY}" in (tmp_path / "killed.txt").read_text()
    assert_same_run(workdir, expected, STEPS)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    """20 times in one run, now and then with worker processes: at any moment of the
    start, and of the steps after another checkpoint is begun."""
    steps, kills = 3_000, 20  # more than a fast machine does in between
    changes = dict(CHANGES, steps=steps, checkpoint=dict(every=10, keep=2))
    config = write_config(tmp_path / "long.py", **changes)
    expected, workdir = tmp_path / "undisturbed", tmp_path / "killed"
    result = run_train(f"--config={config}", f"--workdir={expected}", timeout=900)
    assert result.code == 0, result.err
    first = json.loads((expected / "log.jsonl").read_text().partition("\n")[0])
    random = Random(0)
    for kill in range(kills):
        begun = checkpoints_begun(workdir)
        process = start(config, workdir, f"--config.data.workers={kill % 5 // 3}")
        if kill % 2:
            wait_for(lambda: checkpoints_begun(workdir) - begun, process)  # noqa: B023
        time.sleep(random.uniform(0, 1 if kill % 2 else first["seconds"]))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    result = run_train(f"--config={config}", f"--workdir={workdir}", timeout=900)
    assert result.code == 0, result.err
    text = (tmp_path / "killed.txt").read_text()
    print("went on from", re.findall(r"going on from step (\d+)", text + result.err))
    # Python's resource tracker outlives a killed process. Its own traceback tells of
    # shared memory that a worker process has removed before it.
    assert not re.search(r'File ".*(colorjax/|train\.py)', text)
    assert_same_run(workdir, expected, steps)
