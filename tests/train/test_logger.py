"""The log of a run: bounded, and JSON for every reader."""

import json
import math
import time

import pytest

from colorjax.train.logger import TrainingLogger


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
    assert "step 3/3  loss inf  2 skipped" in capsys.readouterr().err
