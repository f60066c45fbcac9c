"""DDColor's training: its losses against PyTorch, and its terms by closed forms."""

from typing import Any

import flax.traverse_util
import jax
import numpy as np
import pytest
import safetensors.numpy
from golden.ddcolor_tensors import LAYERS, QUERIES, WIDTH
from golden.ddcolor_training import (
    images,
    load_trained,
    summaries,
    trained_tensors,
    vgg_tensors,
)
from golden.weights import variables
from helpers import GOLDEN

from colorjax.errors import UserError
from colorjax.method import to_examples
from colorjax.methods import ddcolor, deoldify
from colorjax.pretrained.vgg16 import load_features


def small(**options: Any):
    options = dict(width=WIDTH, queries=QUERIES, layers=LAYERS) | options
    return ddcolor.build(critic_blocks=1, **options)


def golden_nets(method, examples):
    """The golden's values: of files for the generator, by Flax's names for the
    discriminator."""
    shapes = jax.eval_shape(method.init, jax.random.key(0), examples)

    def value(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return variables({name: leaf.shape})[name]

    statistics = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes["G"]["batch_stats"]
    )
    generator = {"params": load_trained(trained_tensors()), "batch_stats": statistics}
    critic = jax.tree_util.tree_map_with_path(value, shapes["D"])
    return {"D": critic, "G": generator}


@pytest.mark.slow
def test_losses_and_gradients_are_those_of_pytorch(tmp_path):
    """On one batch, in training mode, in float64."""
    safetensors.numpy.save_file(vgg_tensors(), tmp_path / "vgg.safetensors")
    file = str(tmp_path / "vgg.safetensors")
    method = small(vgg=file)
    examples = to_examples({"image": images(), "mask": np.ones(4, "f4")})
    nets = golden_nets(method, examples) | {"VGG": load_features(file, "")}
    theirs = np.load(GOLDEN / "ddcolor_losses.npz")
    for name, loss in method.losses.items():
        step = jax.jit(jax.value_and_grad(loss, has_aux=True))
        with jax.enable_x64():
            wide = jax.tree.map(lambda x: np.asarray(x, np.float64), nets)
            (value, _), gradient = jax.device_get(
                step(wide[name]["params"], wide, examples, jax.random.key(0))
            )
        np.testing.assert_allclose(value, theirs[name], rtol=1e-4)
        if name == "G":
            found = summaries(gradient)
        else:
            flat = flax.traverse_util.flatten_dict({"params": gradient}, sep="/")
            found = {f"D/{path}": x for path, x in flat.items()}
        assert set(found) == {k for k in theirs.files if k.startswith(f"{name}/")}
        for path, ours in found.items():
            golden = theirs[path]
            if name == "D":
                tolerance = 1e-4 * np.linalg.norm(golden)
            else:  # some have none but for rounding: an offset before BatchNorm
                tolerance = 1e-4 * golden[0] + 1e-5
            assert np.abs(ours - golden).max() < tolerance, path


def test_terms_by_closed_forms():
    """Grey has no colorfulness; of one red pixel among grey ones it is a formula."""
    grey = np.full((2, 4, 4, 3), 0.5, np.float32)
    grey[1, 0, 0] = (1.0, 0.5, 0.5)
    found = ddcolor.rgb_colorfulness(jax.numpy.asarray(grey))
    differences = np.zeros((2, 16))
    differences[:, 0] = 0.5, 0.25
    expected = np.sqrt(differences.var(axis=1, ddof=1).sum())
    expected += 0.3 * np.sqrt((differences.mean(axis=1) ** 2).sum())
    np.testing.assert_allclose(found, [0, expected], atol=1e-5)
    slope = jax.grad(lambda x: ddcolor.rgb_colorfulness(x).sum())(
        jax.numpy.asarray(grey)
    )
    assert np.isfinite(slope).all()


def test_images_that_are_too_small_are_refused():
    with pytest.raises(UserError, match="critic_blocks 3: images of 32 .* needs 64"):
        ddcolor.build().check(32, False)
    ddcolor.build().check(64, False)
    with pytest.raises(UserError, match="deoldify only predicts"):
        deoldify.build().check(64, False)
