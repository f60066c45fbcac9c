"""The best checkpoint: which one it is, that it stays, and who uses it."""

import numpy as np
import pytest
from helpers import TINY

from colorjax import files
from colorjax.errors import UserError
from colorjax.train.checkpoint import Checkpoints, load_nets
from colorjax.train.storage import score


def save(workdir, metric, values):
    """Save a checkpoint for each value of the metric; NaN stands for none."""
    checkpoints = Checkpoints(workdir, every=1, keep=1, best=metric)
    for step, value in enumerate(values, start=1):
        nets = {"G": {"params": {"w": np.float32([step])}}}
        metrics = None if np.isnan(value) else {metric: value}
        checkpoints.save(step, {"nets": nets}, metrics)
    checkpoints.close()
    config = TINY | {"checkpoint": dict(best=metric)}
    files.write_json(workdir / "config.json", config)


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [("psnr", [3.0, 5.0, np.nan, 4.0], 2), ("rmse_ab", [3.0, 5.0, 2.5, np.nan], 3)],
)
def test_best_checkpoint_stays_and_is_used(metric, values, best, tmp_path, capsys):
    save(tmp_path, metric, values)
    steps = {int(x.name) for x in (tmp_path / "checkpoints").iterdir()}
    assert steps == {best, 4}
    step, nets = load_nets(tmp_path, "best")
    assert step == best and nets["G"]["params"]["w"] == best
    line = f"the best checkpoint by {metric} is that of step {best}"
    assert line in capsys.readouterr().err
    assert load_nets(tmp_path)[0] == 4


def test_without_metrics_there_is_no_best_checkpoint(tmp_path):
    save(tmp_path, "psnr", [np.nan])
    with pytest.raises(UserError, match="no checkpoint here has the metric psnr"):
        load_nets(tmp_path, "best")


def test_metric_that_an_earlier_choice_did_not_save():
    assert score({"auc": 0.5}, "psnr") == -np.inf
