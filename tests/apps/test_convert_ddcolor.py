"""`convert` and the commands with DDColor's and DeOldify's published weights."""

import functools
import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy
from golden.ddcolor_tensors import (
    LAYERS,
    QUERIES,
    WIDTH,
    convnext_shapes,
    ddcolor_tensors,
)
from golden.deoldify_tensors import deoldify_tensors
from golden.published import values

from colorjax import cli, images
from colorjax.errors import UserError
from colorjax.inference.colorizer import Colorizer
from colorjax.method import to_examples
from colorjax.train.experiment import make_method
from colorjax.train.initialize import initialize_from
from colorjax.train.step import TrainState
from colorjax.train.workdir import load_run


def convert(folder, name, tensors):
    """Convert tensors in a file of this name; returns the run."""
    file, run = folder / f"{name}.safetensors", folder / name
    safetensors.numpy.save_file(tensors, file)
    assert cli.main(["convert", str(file), "--out", str(run)]) == 0
    return run


def encoder_tensors():
    return {key: values(key, shape) for key, shape in convnext_shapes("").items()}


TENSORS = {
    "ddcolor_paper_tiny": ddcolor_tensors,
    "ColorizeVideo_gen": lambda: deoldify_tensors("deep"),
    "convnext": encoder_tensors,
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """`converted(name)` is the run of a file of this name. Tests do not change it."""

    @functools.cache
    def run(name):
        return convert(tmp_path_factory.mktemp("converted"), name, TENSORS[name]())

    return run


@pytest.mark.parametrize(
    ("name", "side"), [("ddcolor_paper_tiny", 512), ("ColorizeVideo_gen", 336)]
)
def test_a_converted_run_colors_and_keeps_the_lightness(
    converted, tmp_path, name, side
):
    run = shutil.copytree(converted(name), tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["resize"] == side
    # At full size this takes long: the net's working size becomes small.
    config["data"] |= dict(resize=64, crop=64)
    (run / "config.json").write_text(json.dumps(config))
    levels = np.linspace(0, 255, 50 * 70).reshape(50, 70).astype(np.uint8)
    (tmp_path / "in.png").write_bytes(images.encode(np.stack([levels] * 3, -1), "png"))
    arguments = ["colorize", tmp_path / "in.png", "--run", run]
    out = tmp_path / "out.png"
    assert cli.main([*map(str, arguments), "--out", str(out)]) == 0
    colored = images.read(out.read_bytes())
    assert colored.shape == (50, 70, 3) and np.ptp(colored, axis=-1).max() > 5
    luminance = colored @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(luminance.mean(axis=1)) > -1)


def test_an_encoder_is_to_be_trained(tmp_path, capsys):
    run = convert(tmp_path, "convnext", encoder_tensors())
    assert "train.py --config=configs/ddcolor.py" in capsys.readouterr().out
    with pytest.raises(UserError, match="has not been trained.*configs/ddcolor.py"):
        Colorizer.load(run)


def test_pack_keeps_the_license_and_says_what_it_forbids(converted, tmp_path, capsys):
    run = shutil.copytree(converted("convnext"), tmp_path / "convnext")
    capsys.readouterr()
    assert cli.main(["pack", str(run), "--out", str(tmp_path / "open")]) == 0
    card = (tmp_path / "open/README.md").read_text()
    assert "MIT, (c) Meta Platforms" in card and not capsys.readouterr().err
    (run / "README.md").write_text("license: CC-BY-NC-4.0\n")
    assert cli.main(["pack", str(run), "--out", str(tmp_path / "closed")]) == 0
    error = capsys.readouterr().err
    assert "closed/README.md says 'BY-NC'; it may forbid to share" in error
    assert error.count("\n") == 1
    assert (tmp_path / "closed/README.md").read_text() == "license: CC-BY-NC-4.0\n"


@pytest.mark.parametrize("start", ["ddcolor_paper_tiny", "convnext"])
def test_training_starts_from_a_converted_run(converted, start):
    run = load_run(converted(start))
    small = dict(width=WIDTH, queries=QUERIES, layers=LAYERS, critic_blocks=1)
    method = make_method(dict(name="ddcolor", perceptual=0.0, **small))
    examples = to_examples({"image": np.zeros((2, 32, 32, 3), np.uint8)})
    shapes = jax.eval_shape(method.init, jax.random.key(0), examples)
    empty = jax.tree.map(lambda x: jax.numpy.zeros(x.shape, x.dtype), shapes)
    state, fresh, left_out = initialize_from(
        TrainState(0, empty, {}, 0, 0, {}), run.nets
    )
    assert left_out == []
    decoder = [name for name in fresh if name.startswith("G/params/colors")]
    assert bool(decoder) == (start == "convnext")
    assert not [name for name in fresh if "encoder/stage" in name]
    ours, theirs = (
        nets["G"]["params"]["encoder"]["stage3"]["expand"]["kernel"]
        for nets in (state.nets, run.nets)
    )
    np.testing.assert_array_equal(ours, theirs)
