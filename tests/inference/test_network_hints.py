"""Hints as inputs of a network: who sees them, and what is left for decoding."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import scene

from colorjax.errors import UserError
from colorjax.evaluation.engine import method_predictor
from colorjax.evaluation.hinted import hint_values
from colorjax.hints import Guide, Point
from colorjax.inference import archive
from colorjax.inference.colorizer import Colorizer
from colorjax.method import HINTS, Method, Prediction, image_keys
from colorjax.quantize import Q
from colorjax.train.experiment import make_dataset
from colorjax.train.workdir import Run

PICTURE = scene(1, 48)[:32]
BLUE = Guide([Point(0.25, 0.5, "#3355cc")])
RED = Guide([Point(0.25, 0.5, "#cc4433")])
FAR = (4, 40)  # a place that no disc reaches


def infer(nets, inputs, keys):
    """The mean ab of the hints, everywhere."""
    local = inputs["local"]
    total, weight = local[..., :2] * local[..., 2:], local[..., 2:]
    ab = total.sum((1, 2)) / jnp.maximum(weight.sum((1, 2)), 1)
    ab = jnp.broadcast_to(ab[:, None, None], (*local.shape[:3], 2))
    return Prediction(ab)


METHOD = Method(
    lambda key, examples: {}, {}, infer, serves=(), inputs=HINTS | {"lightness"}
)


@pytest.fixture
def colorizer():
    return Colorizer(METHOD, {}, [32], "runs/x", saturation=2.0)


def test_the_network_sees_hints_and_decoding_adds_what_is_left_of_them(colorizer):
    prediction = colorizer.predict(PICTURE, hints=BLUE)
    blue = prediction.ab[FAR]
    assert np.linalg.norm(blue) > 10
    ab = prediction.decode(hints=Guide(BLUE.points))  # an equal one is the same
    np.testing.assert_allclose(ab[FAR], blue, atol=0.01)
    np.testing.assert_allclose(ab[16, 12], blue, atol=0.1)  # both before saturation
    again = prediction.decode(hints=RED)  # hints that it did not see change it
    assert np.linalg.norm(again[FAR] - blue) > 5


def test_decoding_steers_what_saw_the_hints_as_much_as_it_does_not_obey(colorizer):
    logits = np.zeros((8, 12, Q), np.float32)
    seen = replace(colorizer.predict(PICTURE, hints=BLUE), logits=logits, stride=4)
    blue, plain = seen.ab[FAR], seen.decode(1.0)[FAR]
    hidden = replace(seen, network_hints={})
    full = np.linalg.norm(hidden.decode(hints=BLUE)[FAR] - plain)
    changes = []
    for ab in (blue, 0.9 * blue, -blue):  # obeys, partly, not at all
        own = replace(seen, ab=np.broadcast_to(ab, seen.ab.shape))
        changes.append(np.linalg.norm(own.decode(hints=BLUE)[FAR] - plain) / full)
    assert changes[0] < 0.2 < changes[1] < 0.95 * changes[2]
    assert changes[2] == pytest.approx(1, abs=0.02)


def test_hints_that_a_saved_distribution_saw_are_saved_with_it(colorizer, tmp_path):
    logits = np.zeros((8, 12, Q), np.float32)
    prediction = colorizer.predict(PICTURE, hints=BLUE)
    prediction = replace(prediction, logits=logits, stride=4)
    archive.save(tmp_path / "a.npz", prediction)
    loaded = archive.load(tmp_path / "a.npz")
    assert loaded.network_hints == prediction.network_hints
    assert loaded.network_hints == dict.fromkeys(HINTS, BLUE.to_json())


@pytest.mark.parametrize("hints", [None, Guide(BLUE.points, only_here=True)])
def test_without_hints_the_network_sees_zeros(colorizer, hints):
    prediction = colorizer.predict(PICTURE, hints=hints)
    assert not prediction.ab.any() and prediction.network_hints == {}
    if hints is not None:
        ab = prediction.decode(hints=hints)
        assert not ab[FAR].any() and ab[16, 12].all()


def test_a_network_sees_an_exemplar_also_with_hints_for_their_places_only():
    def infer(nets, inputs, keys):
        lightness, asked = inputs["lightness"], inputs["globe"][:, None, None, -1:]
        return Prediction(jnp.repeat(0 * lightness + asked, 2, axis=-1), None)

    inputs = frozenset({"lightness", "globe"})
    method = Method(lambda *_: {}, {}, infer, serves=(), inputs=inputs)
    colorizer = Colorizer(method, {}, [32], "runs/x")
    assert colorizer.takes_exemplars and not colorizer.has_logits
    guide = Guide(BLUE.points, only_here=True, exemplar=PICTURE)
    prediction = colorizer.predict(PICTURE, hints=guide)
    assert prediction.network_hints == {"globe": guide.to_json()}
    ab = prediction.decode(hints=guide)
    assert (ab[FAR] == 1).all() and np.linalg.norm(ab[16, 12]) > 10
    assert not colorizer.predict(PICTURE, hints=BLUE).ab.any()


def test_each_picture_of_a_batch_has_its_own_hints(colorizer):
    pictures = [PICTURE, scene(2, 40), PICTURE]
    guides = [BLUE, None, RED]
    together = colorizer.predict(pictures, batch=4, hints=guides)
    for one, picture, guide in zip(together, pictures, guides, strict=True):
        alone = colorizer.predict(picture, hints=guide)
        np.testing.assert_allclose(one.ab, alone.ab, atol=1e-4)
    for one in colorizer.predict(pictures, hints=BLUE):
        assert one.network_hints["local"] == BLUE.to_json()


def test_an_evaluation_shows_hints_only_if_the_examples_have_them():
    predictor, keys = method_predictor(METHOD, {}), image_keys(0, jnp.arange(1))
    examples = {"lightness": jnp.full((1, 8, 8, 1), 50.0), "ab": jnp.ones((1, 8, 8, 2))}
    assert not predictor.predict({}, examples, keys).ab.any()
    examples["local"] = jnp.ones((1, 8, 8, 3))
    np.testing.assert_allclose(predictor.predict({}, examples, keys).ab, 1)


def test_an_evaluation_with_hints_shows_them_to_the_network():
    """Two images of one color each, which a hint tells."""
    image = np.zeros((2, 16, 16, 3), np.uint8)
    image[0], image[1] = (51, 85, 140), (140, 85, 51)
    batch = {"image": image, "mask": np.ones(2, np.float32)}
    batch["index"] = np.arange(2, dtype=np.int32)
    dataset = make_dataset({"root": "nowhere", "resize": 16, "crop": 16})
    run = Run({}, dataset, None, METHOD, {}, 1)
    values = hint_values({"x": run}, [0, 1, 3], [batch], 10, 0)
    assert set(values) == {"x", "grey"}
    own = {key: value.value for key, value in values["x"].items()}
    assert own["psnr@0"] < 25 and own["psnr@1"] > 35 and own["psnr@3"] > 35
    assert own["hint_error"] < 0.1 and 5 < own["hint_range"] < 16
    with pytest.raises(UserError, match="--hints=65 is more than the 64 cells"):
        hint_values({"x": run}, [65], [batch], 10, 0)
