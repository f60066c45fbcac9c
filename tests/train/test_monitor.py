"""Warnings that a discriminator has won or that the colors collapsed."""

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


def metrics_of(ab):
    """The metrics of predicting `ab` for the drawn scenes."""
    metrics = {}
    for metric in (diversity(), chroma()):
        stats = metric.stats(Prediction(ab), EXAMPLES)
        sums = {key: np.asarray(x, np.float64).sum(0) for key, x in stats.items()}
        metrics |= metric.finalize(sums)
    return metrics


def test_diversity_counts_colors():
    """Half of the images are of one color, half of another."""
    ab = jnp.zeros_like(EXAMPLES["ab"]).at[3:].set(40.0)
    metrics = metrics_of(ab)
    np.testing.assert_allclose(metrics["bins_used"], 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["commonest_bin"], 0.5, rtol=1e-6)
    truth = metrics_of(EXAMPLES["ab"])
    assert truth["bins_used"] == truth["bins_used_original"] > 5
    assert truth["commonest_bin"] == truth["commonest_bin_original"] < 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ab: ab, []),
        (lambda ab: 0.5 * ab, []),  # pale, but not collapsed
        (lambda ab: jnp.full_like(ab, 30.0), ["collapsed"]),
        (lambda ab: 0.01 * ab, ["collapsed", "grey"]),
        (lambda ab: 4 * ab, ["glaring"]),
        (lambda ab: ab * jnp.nan, ["collapsed"]),
    ],
    ids=["true", "pale", "one color", "grey", "glaring", "nan"],
)
def test_collapse_is_reported(change, words):
    warnings = monitor.collapse_warnings(metrics_of(change(EXAMPLES["ab"])), 500)
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning and "\n" not in warning


def log_lines(*accuracies):
    return [{"step": i, "accuracy_D": a, "loss": 1.0} for i, a in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("accuracy", "word"),
    [(0.99, "has won"), (0.8, None), (0.6, None), (0.5, "chance")],
)
def test_a_discriminator_that_won_is_reported(accuracy, word):
    lines = log_lines(*[0.7] * 20, *[accuracy] * monitor.WINDOW)
    warnings = monitor.discriminator_warnings(lines)
    assert bool(warnings) == bool(word)
    assert word is None or word in warnings["accuracy_D"]
    assert not monitor.discriminator_warnings(
        lines[-monitor.WINDOW + 1 :]
    )  # too few to say
    assert not monitor.discriminator_warnings(
        [{"step": 1, "loss": 1.0}] * monitor.WINDOW
    )


def test_log_warns_once_until_accuracy_recovers(tmp_path, capsys):
    log = TrainingLogger(tmp_path / "log.jsonl", 0, 1000, 1, 0.0)
    accuracies = [0.99] * 40 + [0.6] * 40 + [0.99] * 20
    warned = []
    for step, accuracy in enumerate([*accuracies, 0.5], start=1):
        log.add(step, {"loss": 1.0, "skipped": 0, "accuracy_D": accuracy})
        warned += [step - 1] * capsys.readouterr().err.count("warning:")
    assert warned == [30]
    log.flush()
    again = TrainingLogger(tmp_path / "log.jsonl", 40, 1000, 1, 0.0)
    for step in range(41, 50):
        again.add(step, {"loss": 1.0, "skipped": 0, "accuracy_D": 0.99})
    assert "warning" not in capsys.readouterr().err  # it warned before


def test_run_warns_and_writes_grids(tmp_path):
    """With a learning rate far too high, train.py warns of the colors."""
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
    metrics = json.loads((workdir / "metrics.json").read_text())["rows"]["this run"]
    assert metrics["bins_used"]["value"] < metrics["bins_used_original"]["value"]
