"""The log of a run: bounded, and JSON for every reader."""

import json
import math
import time

import jax
import numpy as np
import pytest

from colorjax.train.logger import TrainingLogger
from colorjax.train.overview import describe_parameters
from colorjax.train.profiler import profile_steps


def strict(text):
    """Lines of JSON, which has no NaN."""

    def constant(name):
        raise ValueError(name)

    return [json.loads(line, parse_constant=constant) for line in text.splitlines()]


@pytest.mark.parametrize("steps", [90, 3_000, 100_000])
def test_log_is_bounded(steps, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "colorjax.train.logger.EVERY", math.inf
    )  # no write before the end
    log = TrainingLogger(tmp_path / "log.jsonl", 0, steps, 4, time.monotonic())
    for step in range(1, steps + 1):
        log.add(step, {"loss": 1.0, "skipped": 0})
    log.flush()
    logged = [line["step"] for line in strict((tmp_path / "log.jsonl").read_text())]
    assert logged[:100] == list(range(1, min(steps, 100) + 1)) and logged[-1] == steps
    assert min(steps, 100 + steps // 20, 1_000) - 5 <= len(logged) <= 2_101


def test_nan_is_null(tmp_path, capsys):
    log = TrainingLogger(tmp_path / "log.jsonl", 0, 3, 4, time.monotonic())
    for step, loss in ((1, 2.0), (2, math.nan), (3, math.inf)):
        log.add(step, {"loss": loss, "skipped": step - 1})
    log.flush()
    lines = strict((tmp_path / "log.jsonl").read_text())
    assert [line["loss"] for line in lines] == [2, None, None]
    assert "step 3/3, loss inf, 2 skipped" in capsys.readouterr().err
    pytest.importorskip("tensorboardX")
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_parameters_are_described():
    params = {"conv": {"bias": np.zeros(8), "kernel": np.zeros((3, 3, 1, 8))}}
    assert describe_parameters({"G": {"params": params}}).splitlines() == [
        "parameters of G: 0.00 M",
        "  conv         80  8, 3x3x1x8",
    ]


def test_profile_of_some_steps(tmp_path):
    step = profile_steps(lambda x: x + 1, 4, range(3, 7), tmp_path / "profile")
    assert [int(step(jax.numpy.ones(()))) for _ in range(3)] == [2, 2, 2]
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
