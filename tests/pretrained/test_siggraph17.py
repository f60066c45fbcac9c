"""Published weights of Zhang et al. 2017: the nets against PyTorch, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from golden.siggraph17_tensors import caffe_layers, inputs, torch_tensors
from helpers import PUBLISHED

from colorjax import cli
from colorjax.apps.convert import _published
from colorjax.errors import UserError
from colorjax.pretrained.weights import Weights
from colorjax.pretrained.zhang2017 import load_zhang2017
from colorjax.quantize import ab_bins
from colorjax.train.experiment import make_method
from colorjax.train.workdir import load_run

PTH = "caffemodel.pth"  # a name that tells the mask center


def blobs(globe):
    layers = caffe_layers(globe)
    return {f"{k}.{i}": x for k in layers for i, x in enumerate(layers[k])}


FILES = {
    "pytorch": lambda: (PTH, torch_tensors()),
    "centered": lambda: ("pytorch_trained.pth", torch_tensors()),
    "caffe": lambda: ("model.caffemodel", blobs(False)),
    "globe": lambda: ("global_model.caffemodel", blobs(True)),
}


def load(tensors, name=PTH, sha256="0", mask_center=None):
    return load_zhang2017(Weights(name, dict(tensors), sha256), mask_center)


def predicted(published, **options):
    """The prediction of the run that is made of a file, for the golden's inputs."""
    method = make_method(published.method | options)
    own = {key: jnp.asarray(x) for key, x in inputs().items() if key in method.inputs}
    keys = jax.random.split(jax.random.key(0), 2)
    return jax.jit(method.predict)({"G": published.variables}, own, keys)


def golden(name):
    return np.load(PUBLISHED / "siggraph17.npz")[name].transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    "layout",
    [pytest.param(x, marks=[pytest.mark.slow] * (x != "pytorch")) for x in FILES],
)
def test_colors_are_those_of_the_authors_code(layout):
    name, tensors = FILES[layout]()
    ab = predicted(load(tensors, name)).ab
    assert ab.std() > 3
    np.testing.assert_allclose(ab, golden(f"{layout}_ab"), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["pytorch", "caffe"])
def test_logits_are_those_of_the_authors_code(layout):
    """Of the PyTorch file's 529 colors, the 313 that are ours."""
    name, tensors = FILES[layout]()
    logits = predicted(load(tensors, name), output="classes").logits
    expected = golden(f"{layout}_logits")
    if layout == "pytorch":
        axis = np.arange(-110, 120, 10)
        square = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        expected = expected[
            ..., [np.abs(square - x).sum(1).argmin() for x in ab_bins()]
        ]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_the_mask_center_is_never_guessed():
    tensors = torch_tensors()
    with pytest.raises(
        UserError, match="a.pth: name and hash do not tell.*--mask-cent"
    ):
        load(tensors, "a.pth")
    for published, center in (
        (load(tensors, "a.pth", "df00044c01"), 0.0),
        (load(tensors, "a.pth", mask_center=0.5), 0.5),
        (load(tensors, "b/pytorch_trained.pth"), 0.5),
    ):
        assert published.method["mask_center"] == center
    with pytest.raises(UserError, match="the mask center of this file is 0$"):
        load(tensors, mask_center=0.5)
    with pytest.raises(UserError, match="a mask center of 0$"):
        load(blobs(False), "model.caffemodel", mask_center=0.5)
    other = Weights("x.pth", {"model8.6.weight": np.ones(1)}, "0")
    with pytest.raises(UserError, match="--mask-center is for the weights of Zhang"):
        _published(other, 0.5)


def test_the_unit_is_that_of_the_file():
    assert load(torch_tensors()).method.get("unit", 110) == 110
    layers = blobs(False)
    assert load(layers).method["unit"] == 100
    assert load(layers | {"pred_ab.0": np.full(2, 90, "f4")}).method["unit"] == 90
    del layers["pred_ab.0"]
    assert load(layers).method["unit"] == 100
    for colors in (np.ones((2, 313, 1, 1), "f4"), np.ones(2, "f4")):
        other = layers | {"pred_ab.0": colors, "scale_T.0": np.full(1, 2.5, "f4")}
        assert load(other).method["temperature"] == 0.4


@pytest.mark.parametrize(
    ("globe", "key", "change", "message"),
    [
        (None, "model10.1.bias", None, "is missing, expected"),
        (None, "model9up.0.weight", lambda x: x[:, :3], "has shape .*, expected"),
        (None, "model11.0.weight", lambda x: np.ones(1), "belongs to no layer"),
        (False, "ab_conv1_1.0", None, "is missing, expected"),
        (False, "conv1_2norm_ss.0", lambda x: 2 * x, "is not a pick"),
        (False, "pred_ab.0", lambda x: np.arange(1, 3), "is not one positive"),
        (True, "s_conv1.1", None, "is missing, expected"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(globe, key, change, message):
    tensors = torch_tensors() if globe is None else blobs(globe)
    before = tensors.pop(key, None)
    if change is not None:
        tensors[key] = change(before)
    with pytest.raises(UserError, match=f"not the .* 2017: '{key}' .*{message}"):
        load(tensors)


@pytest.mark.slow
def test_convert_asks_for_the_mask_center(tmp_path, capsys):
    """Once it is known, the run predicts as the file's own code does."""
    file, out = tmp_path / "mine.safetensors", tmp_path / "run"
    safetensors.numpy.save_file(torch_tensors(), file)
    command = ["convert", str(file), "--out", str(out)]
    assert cli.main(command) == 2
    assert "give --mask-center 0 for" in capsys.readouterr().err and not out.exists()
    assert cli.main([*command, "--mask-center", "0.5"]) == 0
    assert "the mask of the hints minus 0.5" in capsys.readouterr().out
    run = load_run(out)
    published = load(torch_tensors(), mask_center=0.5, name="mine.safetensors")
    assert make_method(run.config["method"]).inputs == {"lightness", "local"}
    assert run.config["method"] == published.method
    ab = predicted(published._replace(variables=run.nets["G"])).ab
    np.testing.assert_allclose(ab, golden("centered_ab"), rtol=0, atol=1e-4)
