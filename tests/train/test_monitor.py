"""Warnings that one side has won or that the colours collapsed."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import run_train, scene, write_config, write_folder

from colorjax.evaluation.metrics.diversity import diversity
from colorjax.evaluation.metrics.image import chroma
from colorjax.method import Prediction, to_examples
from colorjax.train import monitor
from colorjax.train.logger import TrainingLogger

EXAMPLES = to_examples(
    {"image": np.stack([scene(i) for i in range(6)]), "mask": np.ones(6, np.float32)}
)


def figures(ab):
    """Of predicting `ab` for the drawn scenes."""
    found = {}
    for metric in (diversity(), chroma()):
        stats = metric.stats(Prediction(ab), EXAMPLES)
        sums = {key: np.asarray(x, np.float64).sum(0) for key, x in stats.items()}
        found |= metric.finalize(sums)
    return found


def test_diversity_counts_colours():
    """Half the pixels in one colour, half in another, of which each picture has one."""
    ab = jnp.zeros_like(EXAMPLES["ab"]).at[3:].set(40.0)
    found = figures(ab)
    np.testing.assert_allclose(found["bins_used"], 2, rtol=1e-6)
    np.testing.assert_allclose(found["commonest_bin"], 0.5, rtol=1e-6)
    truth = figures(EXAMPLES["ab"])
    assert truth["bins_used"] == truth["bins_used_original"] > 5
    assert truth["commonest_bin"] == truth["commonest_bin_original"] < 0.5


@pytest.mark.parametrize(
    ("forced", "told"),
    [
        (lambda ab: ab, []),
        (lambda ab: 0.5 * ab, []),  # timid is not ill
        (lambda ab: jnp.full_like(ab, 30.0), ["collapsed"]),
        (lambda ab: 0.01 * ab, ["collapsed", "grey"]),
        (lambda ab: 4 * ab, ["glaring"]),
        (lambda ab: ab * jnp.nan, ["collapsed"]),
    ],
    ids=["true", "timid", "one colour", "grey", "glaring", "nan"],
)
def test_collapse_is_told(forced, told):
    warnings = monitor.collapse_warnings(figures(forced(EXAMPLES["ab"])))
    assert len(warnings) == len(told)
    for warning, word in zip(warnings, told, strict=True):
        assert word in warning and "\n" not in warning


def log_lines(*accuracies):
    return [{"step": i, "accuracy_D": a, "loss": 1.0} for i, a in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("accuracy", "told"),
    [(0.99, "has won"), (0.8, None), (0.6, None), (0.5, "chance")],
)
def test_a_side_that_won_is_told(accuracy, told):
    lines = log_lines(*[0.7] * 20, *[accuracy] * monitor.WINDOW)
    found = monitor.discriminator_warnings(lines)
    assert bool(found) == bool(told)
    assert told is None or told in found["accuracy_D"]
    assert not monitor.discriminator_warnings(
        lines[-monitor.WINDOW + 1 :]
    )  # too few to say
    assert not monitor.discriminator_warnings(
        [{"step": 1, "loss": 1.0}] * monitor.WINDOW
    )


def test_log_tells_once_and_again_after_it_was_well(tmp_path, capsys):
    log = TrainingLogger(tmp_path / "log.jsonl", 0, 1000, 1, 0.0)
    accuracies = [0.99] * 40 + [0.6] * 40 + [0.99] * 20
    told = []
    for step, accuracy in enumerate([*accuracies, 0.5], start=1):
        log.add(step, {"loss": 1.0, "skipped": 0, "accuracy_D": accuracy})
        told += [step - 1] * capsys.readouterr().err.count("warning:")
    assert told == [30]
    log.flush()
    again = TrainingLogger(tmp_path / "log.jsonl", 40, 1000, 1, 0.0)
    for step in range(41, 50):
        again.add(step, {"loss": 1.0, "skipped": 0, "accuracy_D": 0.99})
    assert "warning" not in capsys.readouterr().err  # the run before had told it


def test_a_run_shows_its_health(tmp_path):
    """A rate far too high: train.py warns of the colours, and keeps grids."""
    write_folder(tmp_path / "pictures", 20)
    config = write_config(
        tmp_path / "ill.py",
        steps=6,
        data=dict(
            root=str(tmp_path / "pictures"), holdout="sorted", crop=32, resize=32
        ),
        method=dict(name="pix2pix", depth=3, patch_layers=2),
        optimizer=dict(learning_rate=1.0, decay="linear", hold=3),
        evaluation=dict(every=1, grids=2),
    )
    workdir = tmp_path / "ill"
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0, result.err
    assert "warning: after step 6, the colors" in result.err
    grids = sorted(path.name for path in (workdir / "grids").iterdir())
    assert grids == ["00000003.png"]  # of evaluations after 1 to 5, every third
    logged = [json.loads(x) for x in (workdir / "log.jsonl").read_text().splitlines()]
    assert {"loss_D", "loss_GAN", "loss_L1", "accuracy_D"} <= logged[-1].keys()
    figures = json.loads((workdir / "metrics.json").read_text())["rows"]["this run"]
    assert figures["bins_used"]["value"] < figures["bins_used_original"]["value"]
