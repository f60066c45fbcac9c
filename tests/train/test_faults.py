"""Faults injected into training: what is lost, the message, and resuming."""

import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    FIXTURES,
    ROOT,
    fork,
    run_train,
    start,
    wait_for,
    write_config,
    write_folder,
)
from states import assert_same_run, saved_state

from colorjax.data.pipeline import ImageDataset
from colorjax.errors import UserError
from colorjax.train import checksums
from colorjax.train.checkpoint import load_nets

STEPS, EVERY = 12, 4
FAULTY = ROOT / "tests" / "faulty.py"


@pytest.fixture(scope="module")
def undisturbed(tiny_run):
    """The config and workdir of a run with checkpoints of steps 8 and 12."""
    run = tiny_run(steps=STEPS, checkpoint=dict(every=EVERY, keep=2))
    return run.config, run.workdir


def assert_fails(result, *words):
    """The process failed, and its last line, no traceback, has the words."""
    assert result.code == 2 and "Traceback" not in result.err, result
    line = result.err.splitlines()[-1]
    assert line.startswith("train.py: ")
    for word in words:
        assert str(word) in line, (word, line)


# ---- Damaged checkpoints.


def flip(path, moment):
    data = bytearray(path.read_bytes())
    data[moment.randrange(len(data))] ^= 1 << moment.randrange(8)
    path.write_bytes(data)


DAMAGES = {
    "a bit flipped": flip,
    "truncated": lambda path, _: os.truncate(path, path.stat().st_size // 2),
    "zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "gone": lambda path, _: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_any_file_is_detected(damage, undisturbed, tmp_path):
    """At a random place of each file of a checkpoint, the checksums included."""
    whole = undisturbed[1] / f"checkpoints/{STEPS}"
    names = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    assert len(names) > 8
    assert checksums.verify(whole) is None
    for i, name in enumerate(names):
        if damage == "gone" and name.name == checksums.NAME:
            continue  # without checksums a checkpoint cannot be checked
        folder = tmp_path / str(i)
        shutil.copytree(whole, folder)
        DAMAGES[damage](folder / name, random.Random(i))
        assert checksums.verify(folder), name


def test_sha256sum_checks_the_checksums(undisturbed):
    folder = undisturbed[1] / f"checkpoints/{STEPS}"
    command = ["sha256sum", "--check", "--strict", "--quiet", checksums.NAME]
    subprocess.run(command, cwd=folder, check=True)


def largest_file(folder):
    return max((p for p in folder.rglob("*")), key=lambda p: p.stat().st_size)


def test_resumes_from_the_last_good_checkpoint(undisturbed, tmp_path):
    config, expected = undisturbed
    workdir = tmp_path / "damaged"
    shutil.copytree(expected, workdir)
    last = workdir / f"checkpoints/{STEPS}"
    flip(largest_file(last), random.Random(0))
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    line, following = result.err.splitlines()[:2]
    assert line.startswith(f"{last} is damaged: ")
    assert line.endswith("; going back to that of step 8")
    assert following == f"{workdir}: going on from step 8"
    assert_same_run(workdir, expected, STEPS)


def test_readers_of_a_run_use_the_last_good_checkpoint(undisturbed, tmp_path, capsys):
    workdir = tmp_path / "damaged"
    shutil.copytree(undisturbed[1], workdir)
    last = workdir / f"checkpoints/{STEPS}"
    flip(largest_file(last), random.Random(0))
    step, nets = load_nets(workdir)
    assert step == 8 and "going back to that of step 8" in capsys.readouterr().err
    state = saved_state(undisturbed[1], 8)
    kernel = nets["G"]["params"]["conv1_1"]["kernel"]
    np.testing.assert_array_equal(kernel, state["nets/G/params/conv1_1/kernel"])
    with pytest.raises(UserError, match="12 is damaged: .* is not as it was written"):
        load_nets(workdir, STEPS)
    assert last.is_dir()  # reading a run changes nothing in it


def test_no_good_checkpoint(undisturbed, tmp_path):
    config, expected = undisturbed
    workdir = tmp_path / "damaged"
    shutil.copytree(expected, workdir)
    for folder in (workdir / "checkpoints").iterdir():
        largest_file(folder).unlink()
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert_fails(
        result, f"{workdir}/checkpoints/12 is damaged", "begin anew in another"
    )
    assert {p.name for p in (workdir / "checkpoints").iterdir()} == {"8", "12"}


# ---- Losses that are not finite.


def log_lines(workdir):
    lines = (workdir / "log.jsonl").read_text().splitlines()
    return {line["step"]: line for line in map(json.loads, lines)}


@pytest.mark.slow
def test_steps_that_are_skipped(undisturbed, tmp_path):
    config, _ = undisturbed
    workdir = tmp_path / "run"
    result = fork(FAULTY, 5, 6, f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    assert "skipped 2 steps: a loss or gradient was not finite" in result.out
    log = log_lines(workdir)
    assert [log[i + 1]["skipped"] for i in range(STEPS)] == [0] * 4 + [1] + [2] * 7
    state = saved_state(workdir, STEPS)
    assert state["skipped"] == 2 and state["skipped_in_row"] == 0
    assert all(np.isfinite(leaf).all() for leaf in state.values())


def test_too_many_skipped_in_a_row(undisturbed, tmp_path):
    """The batch is saved. Once the fault is gone, the run resumes and is as ever."""
    config, expected = undisturbed
    workdir = tmp_path / "run"
    command = f"--config={config}", f"--workdir={workdir}", "--config.step.patience=3"
    result = fork(FAULTY, 5, 99, *command)
    path = workdir / "bad_batch_0.npz"
    assert_fails(result, "step 7: 3 steps were skipped", path, "JAX_DEBUG_NANS=True")
    config_data = json.loads((workdir / "config.json").read_text())["data"]
    pictures = ImageDataset(**config_data)
    source = pictures.source("train")
    batch = next(pictures.training(source, seed=0, batch=4, start=6, steps=7))
    with np.load(path) as saved:
        for key, value in batch.items():
            np.testing.assert_array_equal(saved[key], value)
    assert [line["skipped"] for line in log_lines(workdir).values()][4:7] == [1, 2, 3]
    result = run_train(*command)
    assert result.code == 0, result.err
    assert f"going on from step {EVERY}" in result.err
    assert_same_run(workdir, expected, STEPS)


# ---- Images and the processes that read them.


@pytest.mark.slow
def test_images_that_disappear(undisturbed, tmp_path):
    """Between start and resume. They are counted and reported, by workers too."""
    folder = write_folder(tmp_path / "pictures", 40)
    config = write_config(
        tmp_path / "gone.py",
        steps=2,
        data=dict(root=str(folder), holdout="sorted", workers=1),
    )
    command = f"--config={config}", f"--workdir={tmp_path / 'run'}"
    result = run_train(*command, "--config.data.workers=0")
    assert result.code == 0 and "unreadable" not in result.out, result
    (folder / "007.png").unlink()
    (folder / "013.png").rename(folder / "013-1.png")
    result = run_train(*command, "--config.steps=20")
    assert result.code == 0, result.err
    names = [f"{folder}/{n}.png" for n in ("007", "013")]
    assert f"2 unreadable images ({', '.join(names)})" in result.out
    first = result.err.splitlines()[0]
    assert "gone or unreadable now: 2 images (007.png, 013.png)" in first
    assert first.endswith("; left out: 1 new image")


def test_corrupt_records(tmp_path):
    """Changed bytes in an ArrayRecord file make unreadable images, no traceback."""
    shutil.copytree(FIXTURES, tmp_path / "data")
    file = next((tmp_path / "data").rglob("drawings-train.array_record*"))
    data = bytearray(file.read_bytes())
    for place in (30_000, 45_000):
        data[place] ^= 255
    file.write_bytes(data)
    config = write_config(
        tmp_path / "corrupt.py",
        data=dict(
            name="drawings", data_dir=str(tmp_path / "data"), root=None, workers=0
        ),
    )
    result = run_train(f"--config={config}", f"--workdir={tmp_path / 'run'}")
    assert result.code == 0, result.err
    assert "2 unreadable images (drawings train #" in result.out


def test_records_that_changed():
    source = ImageDataset(name="drawings", data_dir=str(FIXTURES)).source("train")
    assert source.restore_manifest(source.manifest()) == ""
    message = "began with drawings/0.9, .*; data.name is now drawings/1.0.0, train, 40"
    with pytest.raises(UserError, match=message):
        source.restore_manifest(["drawings/0.9, train, 41 records"])


def saved_steps(workdir):
    names = [path.name for path in (workdir / "checkpoints").glob("*")]
    return sorted(int(name) for name in names if name.isdigit())


def children(pid):
    """The worker processes that a process has started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_text()
        except OSError:
            continue
        if parent == pid and "spawn_main" in command:
            yield int(path.name)


@pytest.mark.slow
def test_worker_process_killed(undisturbed, tmp_path):
    """Ends the run within seconds, with one line."""
    config, _ = undisturbed
    workdir = tmp_path / "run"
    process = start(config, workdir, "--config.data.workers=2", "--config.steps=100000")
    wait_for(lambda: saved_steps(workdir), process)
    os.kill(next(children(process.pid)), signal.SIGKILL)
    assert process.wait(60) == 2
    text = (tmp_path / "run.txt").read_text()
    assert "Traceback" not in text
    assert text.splitlines()[-1].startswith("train.py: data.workers: worker process")
    assert load_nets(workdir)[0] >= EVERY


# ---- Two runs in one workdir.


@pytest.mark.slow
def test_second_run_in_a_workdir_refuses(undisturbed, tmp_path):
    """After the first run is killed, with its workers, another resumes it at once."""
    config, _expected = undisturbed
    workdir = tmp_path / "run"
    flags = "--config.steps=100000", "--config.data.workers=2"
    process = start(config, workdir, *flags)
    wait_for(lambda: len(list(children(process.pid))) == 2, process)
    wait_for(lambda: saved_steps(workdir), process)
    holder = json.loads((workdir / "lock.json").read_text())
    assert holder["process"] == process.pid
    command = f"--config={config}", f"--workdir={workdir}"
    assert_fails(
        run_train(*command), f"{workdir} is in use by process {process.pid} on "
    )
    workers = [Path(f"/proc/{pid}") for pid in children(process.pid)]
    assert len(workers) == 2
    process.kill()
    process.wait()
    result = run_train(*command, f"--config.steps={saved_steps(workdir)[-1] + 2}")
    assert result.code == 0 and "waiting" not in result.err, result
    assert not (workdir / "lock.json").exists()
    assert not any(worker.exists() for worker in workers)
