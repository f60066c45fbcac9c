"""Metrics: closed forms, independence of batches and devices, intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FIXTURES, scene
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from colorjax import methods
from colorjax.data.pipeline import ImageDataset
from colorjax.data.statistics import estimate_prior
from colorjax.distributed import make_mesh
from colorjax.evaluation.engine import (
    Predictor,
    evaluate,
    grey_predictor,
    method_predictor,
)
from colorjax.evaluation.metrics import Context, make_metrics
from colorjax.method import Prediction, to_examples
from colorjax.quantize import Q, ab_bins, rebalancing_weights

PICTURES = ImageDataset(name="drawings", data_dir=str(FIXTURES), resize=32, crop=32)
PRIOR = np.random.default_rng(0).dirichlet(np.ones(Q)).astype(np.float32)


def small_mesh(devices):
    kind = (jax.sharding.AxisType.Auto,)
    chosen = jax.devices()[:devices]
    return jax.make_mesh((devices,), ("data",), axis_types=kind, devices=chosen)


def standard(prior=PRIOR):
    metrics, problems = make_metrics(Context(prior, 32))
    assert not problems
    return metrics


def figures(rows, metrics, *args):
    return {name: row.figures for name, row in evaluate(rows, metrics, *args).items()}


def batches(size, images=None):
    if images is None:
        yield from PICTURES.single_pass(PICTURES.source("test"), batch=size)
        return
    yield {
        "image": images,
        "mask": np.ones(len(images), np.float32),
        "index": np.arange(len(images), dtype=np.int32),
        "label": np.arange(len(images), dtype=np.int32) % 10,
    }


def constant_row(ab):
    def predict(nets, examples, key):
        return Prediction(jnp.broadcast_to(jnp.array(ab), examples["ab"].shape))

    return Predictor(predict, {})


def net_row(name="zhang2016"):
    method = methods.builder(name)(width=1 / 16)
    first = next(batches(4))
    nets = jax.jit(method.init)(jax.random.key(0), to_examples(first))
    return method_predictor(method.predict, nets)


@pytest.mark.parametrize("size, devices", [(5, 1), (12, 1), (4, 4), (8, 2), (100, 4)])
def test_no_figure_depends_on_batch_padding_or_devices(size, devices):
    rows = {"net": net_row(), "grey": grey_predictor()}
    metrics = standard()
    expected = figures(rows, metrics, batches(3), small_mesh(1), 20)
    found = figures(rows, metrics, batches(size), small_mesh(devices), 20)
    for row in rows:
        for figure, value in expected[row].items():
            np.testing.assert_allclose(
                found[row][figure], value, rtol=2e-5, err_msg=figure
            )


def test_figures_against_an_independent_computation():
    """Float64, scikit-image and SciPy, on drawn scenes and a constant prediction."""
    images = np.stack([scene(i, 32) for i in range(6)])
    guess = np.array([12.0, -7.0])
    values = figures(
        {"row": constant_row(guess)},
        standard(),
        batches(6, images),
        small_mesh(1),
        0,
    )["row"]
    lab = rgb2lab(images)
    ab = lab[..., 1:].reshape(-1, 2)
    error = np.linalg.norm(ab - guess, axis=1)
    # The paper's own definition: accuracy under a threshold swept over [0, 150].
    thresholds = np.linspace(0, 150, 30_001)
    accuracy = np.searchsorted(np.sort(error), thresholds, side="right") / len(error)
    group = cKDTree(ab_bins()).query(ab)[1]
    score = 1 - np.minimum(error, 150) / 150
    weight = 1 / PRIOR.astype(np.float64)[group]
    frequent = [c for c in range(Q) if (group == c).sum() >= 100]
    assert len(frequent) > 3
    chroma = np.linalg.norm(ab, axis=1).mean()
    expected = {
        "auc": np.trapezoid(accuracy, thresholds) / 150,
        "auc_rebalanced": (weight * score).sum() / weight.sum(),
        "auc_balanced": np.mean([score[group == c].mean() for c in frequent]),
        "auc_left_out": 0,
        "chroma": np.linalg.norm(guess),
        "chroma_original": chroma,
        "chroma_ratio": np.linalg.norm(guess) / chroma,
        "rmse_ab": np.sqrt(np.square(ab - guess).mean()),
    }
    for figure, value in expected.items():
        assert values[figure].value == pytest.approx(value, abs=1e-4, rel=1e-4), figure


def test_psnr_against_scikit_image():
    images = np.stack([scene(i, 32) for i in range(6)])
    values = figures(
        {"grey": grey_predictor()}, standard(), batches(6, images), small_mesh(1), 0
    )["grey"]
    lab = rgb2lab(images)
    grey = lab2rgb(lab * [1, 0, 0])
    psnr = [
        peak_signal_noise_ratio(original / 255, image, data_range=1)
        for original, image in zip(images, grey, strict=True)
    ]
    assert values["psnr"].value == pytest.approx(np.mean(psnr), rel=1e-4)


def test_original_is_perfect_and_rare_bins_are_left_out():
    image = np.tile(np.uint8([200, 40, 40]), (2, 32, 32, 1))
    ab = rgb2lab(image[0])[0, 0, 1:]
    prior = np.full(Q, 1 / Q, np.float32)
    prior[cKDTree(ab_bins()).query(ab)[1]] = 0
    rows = {"original": constant_row(ab.astype(np.float32))}
    values = figures(rows, standard(prior), batches(2, image), small_mesh(1), 5)
    values = values["original"]
    assert values["auc"].value == pytest.approx(1, abs=1e-5)
    assert values["chroma_ratio"].value == pytest.approx(1, abs=1e-4)
    assert values["auc_left_out"].value == 1
    assert np.isnan(values["auc_rebalanced"].value)


def test_interval_covers_and_shrinks():
    rows = {"grey": grey_predictor()}
    metrics = standard()
    few = figures(rows, metrics, batches(12), small_mesh(1), 200)["grey"]["auc"]
    train = PICTURES.single_pass(PICTURES.source("train"), batch=40)
    many = figures(rows, metrics, train, small_mesh(1), 200)["grey"]["auc"]
    assert few.low < few.value < few.high
    assert 0 < many.high - many.low < few.high - few.low


def test_prior_is_the_mean_soft_code_and_expected_weight_is_one():
    source = PICTURES.source("train")
    prior = estimate_prior(PICTURES.single_pass(source, batch=16), small_mesh(4))
    again = estimate_prior(PICTURES.single_pass(source, batch=7), small_mesh(1))
    np.testing.assert_allclose(prior, again, atol=1e-6)
    images = next(PICTURES.single_pass(source, batch=40))["image"]
    ab = rgb2lab(images)[:, ::4, ::4, 1:].reshape(-1, 2)
    distance, nearest = cKDTree(ab_bins()).query(ab, k=5)
    code = np.exp(-(distance**2) / 50)
    code /= code.sum(1, keepdims=True)
    expected = np.bincount(nearest.ravel(), code.ravel(), Q) / len(ab)
    np.testing.assert_allclose(prior, expected, atol=1e-5)
    weights = rebalancing_weights(jnp.asarray(prior))
    assert float((prior * weights).sum()) == pytest.approx(1, abs=1e-5)


def test_mesh_has_every_device():
    assert make_mesh().size == jax.device_count() == 4
