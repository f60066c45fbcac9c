"""Metrics: closed forms, independence of batches and devices, intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import scene
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from colorjax import methods
from colorjax.data.statistics import estimate_prior
from colorjax.distributed import make_mesh
from colorjax.evaluation.baselines import GREY
from colorjax.evaluation.engine import (
    evaluate,
    method_predictor,
)
from colorjax.evaluation.metrics import Context, make_metrics
from colorjax.method import to_examples
from colorjax.quantize import Q, ab_bins, rebalancing_weights


@pytest.fixture(scope="module")
def standard(prior):
    metrics, problems = make_metrics(Context(prior, 32))
    assert not problems
    return metrics


def values(predictors, metrics, *args):
    evaluated = evaluate(predictors, metrics, *args)
    return {name: x.metrics for name, x in evaluated.items()}


def batch_of(images):
    return {
        "image": images,
        "mask": np.ones(len(images), np.float32),
        "index": np.arange(len(images), dtype=np.int32),
        "label": np.arange(len(images), dtype=np.int32) % 10,
    }


@pytest.fixture(scope="module")
def passed(drawings):
    """`passed(size)` is a pass over the held-out drawings in batches of that size."""
    return lambda size: drawings.single_pass(drawings.source("test"), batch=size)


@pytest.fixture(scope="module")
def expected(standard, passed, prior, mesh_of):
    """The predictors net and grey, and their metrics in batches of 3 on one device."""
    method = methods.builder("zhang2016")(width=1 / 16)
    nets = jax.jit(method.init)(jax.random.key(0), to_examples(next(passed(4))))
    net = method_predictor(method, nets)
    predictors = {"net": net, "grey": GREY}
    return predictors, values(predictors, standard, passed(3), mesh_of(1), 20)


@pytest.mark.parametrize(("size", "devices"), [(5, 1), (8, 2), (100, 4)])
def test_no_value_depends_on_batch_padding_or_devices(
    size, devices, standard, passed, expected, mesh_of
):
    predictors, reference = expected
    computed = values(predictors, standard, passed(size), mesh_of(devices), 20)
    for name in predictors:
        for metric, value in reference[name].items():
            np.testing.assert_allclose(
                computed[name][metric], value, rtol=2e-5, err_msg=metric
            )


@pytest.fixture(scope="module")
def scenes():
    return np.stack([scene(i, 32) for i in range(6)])


def test_values_against_an_independent_computation(
    scenes, standard, constant, prior, mesh_of
):
    """Float64, scikit-image and SciPy, on drawn scenes and a constant prediction."""
    guess = np.array([12.0, -7.0])
    metrics = values(
        {"constant": constant(guess)}, standard, [batch_of(scenes)], mesh_of(1), 0
    )["constant"]
    lab = rgb2lab(scenes)
    ab = lab[..., 1:].reshape(-1, 2)
    error = np.linalg.norm(ab - guess, axis=1)
    # The paper's own definition: accuracy under a threshold swept over [0, 150].
    thresholds = np.linspace(0, 150, 30_001)
    accuracy = np.searchsorted(np.sort(error), thresholds, side="right") / len(error)
    group = cKDTree(ab_bins()).query(ab)[1]
    score = 1 - np.minimum(error, 150) / 150
    weight = 1 / prior.astype(np.float64)[group]
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
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, abs=1e-4, rel=1e-4), name


def test_psnr_against_scikit_image(scenes, standard, mesh_of):
    metrics = values({"grey": GREY}, standard, [batch_of(scenes)], mesh_of(1), 0)[
        "grey"
    ]
    lab = rgb2lab(scenes)
    grey = lab2rgb(lab * [1, 0, 0])
    psnr = [
        peak_signal_noise_ratio(original / 255, image, data_range=1)
        for original, image in zip(scenes, grey, strict=True)
    ]
    assert metrics["psnr"].value == pytest.approx(np.mean(psnr), rel=1e-4)


def test_original_is_perfect_and_rare_bins_are_left_out(constant, mesh_of):
    image = np.tile(np.uint8([200, 40, 40]), (2, 32, 32, 1))
    ab = rgb2lab(image[0])[0, 0, 1:]
    prior = np.full(Q, 1 / Q, np.float32)
    prior[cKDTree(ab_bins()).query(ab)[1]] = 0
    standard, _ = make_metrics(Context(prior, 32))
    predictors = {"original": constant(ab.astype(np.float32))}
    metrics = values(predictors, standard, [batch_of(image)], mesh_of(1), 5)["original"]
    assert metrics["auc"].value == pytest.approx(1, abs=1e-5)
    assert metrics["chroma_ratio"].value == pytest.approx(1, abs=1e-4)
    assert metrics["auc_left_out"].value == 1
    assert np.isnan(metrics["auc_rebalanced"].value)


def test_interval_covers_and_shrinks(standard, drawings, passed, mesh_of):
    predictors = {"grey": GREY}
    few = values(predictors, standard, passed(12), mesh_of(1), 200)["grey"]["auc"]
    train = drawings.single_pass(drawings.source("train"), batch=40)
    many = values(predictors, standard, train, mesh_of(1), 200)["grey"]["auc"]
    assert few.low < few.value < few.high
    assert 0 < many.high - many.low < few.high - few.low


def test_prior_is_the_mean_soft_code_and_expected_weight_is_one(drawings, mesh_of):
    source = drawings.source("train")
    prior = estimate_prior(drawings.single_pass(source, batch=16), mesh_of(4))
    again = estimate_prior(drawings.single_pass(source, batch=7), mesh_of(1))
    np.testing.assert_allclose(prior, again, atol=1e-6)
    images = next(drawings.single_pass(source, batch=40))["image"]
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
