"""Gradients and metrics do not depend on the number of devices or processes."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import FIXTURES, PALETTE, ROOT, process_flags, run_train, write_config
from states import logged_losses, saved_state

TFDS = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=32, crop=32)


def train(tmp_path, name, config, processes=1, per_process=1, **changes):
    """Run train.py as one or several processes; return state, loss and metrics."""
    workdir = tmp_path / name
    flags = [f"--config={config}", f"--workdir={workdir}"]
    with ThreadPoolExecutor(processes) as pool:
        runs = [
            pool.submit(run_train, *flags, *own, devices=per_process)
            for own in process_flags(processes)
        ]
    for result in runs:
        assert result.result().code == 0, result.result().err
    metrics = json.loads((workdir / "metrics.json").read_text())
    return saved_state(workdir, 1), logged_losses(workdir)[1], metrics


METHODS = {
    # random as well, by the key of the step
    "zhang2016": dict(name="zhang2016", width=1 / 16, jitter=0.2, dropout=0.1),
    "palette": PALETTE | {"width": 1 / 8, "net_options": {"depth": 3}},
}


@pytest.fixture(scope="module", params=METHODS)
def reference(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("topology")
    # After one step of Adam its first moment is the gradient times 1 - b1.
    config = write_config(
        folder / "one_step.py",
        steps=1,
        batch=8,
        data=TFDS,
        method=METHODS[request.param],
        evaluation=dict(batch=7, replicates=5),  # of 12: the last one is not full
    )
    return folder, config, train(folder, "one", config)


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "per_process"), [(1, 4), (2, 1), (2, 2), (4, 1)])
def test_gradients_and_metrics_equal_one_device(reference, processes, per_process):
    folder, config, (state, loss, metrics) = reference
    name = f"{processes}x{per_process}"
    again, loss2, metrics2 = train(folder, name, config, processes, per_process)
    moments = [key for key in state if "/mu/" in key]
    assert len(moments) > 20
    for key in moments:
        scale = np.abs(state[key]).max()
        np.testing.assert_allclose(
            again[key], state[key], atol=1e-4 * scale, err_msg=key
        )
    np.testing.assert_allclose(loss2, loss, rtol=1e-5)
    for key in ("pictures", "sha256"):
        assert metrics2["protocol"][key] == metrics["protocol"][key]
    for figure, value in metrics["rows"]["grey"].items():
        again = [metrics2["rows"]["grey"][figure][k] for k in value]
        np.testing.assert_allclose(again, list(value.values()), rtol=1e-4)


def test_two_processes_see_one_global_batch():
    """The parts that two processes read make up the batch of one process."""
    code = (
        "import jax, sys; from colorjax.data.pipeline import ImageDataset;"
        f"d = {str(FIXTURES)!r};"
        "p = ImageDataset(name='drawings', data_dir=d, resize=32, crop=24);"
        "i, n = map(int, sys.argv[1:]);"
        "jax.process_index, jax.process_count = lambda: i, lambda: n;"
        "b = p.training(p.source('train'), seed=1, batch=8, start=3, steps=5);"
        "print([x['image'].sum(axis=(1, 2, 3)).tolist() for x in b])"
    )

    def parts(process, processes):
        command = [sys.executable, "-c", code, str(process), str(processes)]
        return json.loads(subprocess.check_output(command, text=True, cwd=ROOT))

    whole, first, second = parts(0, 1), parts(0, 2), parts(1, 2)
    assert whole == [a + b for a, b in zip(first, second, strict=True)]
