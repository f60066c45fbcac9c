"""DDColor's published weights: the net against PyTorch's, and what is refused."""

import jax
import numpy as np
import pytest
from golden.ddcolor_tensors import (
    add_norm,
    convnext_shapes,
    ddcolor_tensors,
    grey,
)
from golden.published import values
from helpers import PUBLISHED

from colorjax.errors import UserError
from colorjax.nets.ddcolor import DDColor
from colorjax.pretrained.ddcolor import load_convnext, load_ddcolor
from colorjax.pretrained.weights import Weights


def made(tensors):
    return Weights("made.pth", dict(tensors), "0")


def net(published):
    options = dict(published.method)
    del options["name"], options["square"]
    return DDColor(options.pop("encoder"), **options)


@pytest.fixture(scope="module")
def tensors():
    return ddcolor_tensors()


def test_ddcolor_equals_pytorch(tensors):
    """In float64 there, with spectral normalization as PyTorch applies it."""
    published = load_ddcolor(made(tensors))
    ab = jax.jit(net(published).apply)(published.variables, grey())
    expected = np.load(PUBLISHED / "ddcolor.npz")["ab"].transpose(0, 2, 3, 1)
    assert expected.std((0, 1, 2)).min() > 1
    np.testing.assert_allclose(ab, expected, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_ddcolor_at_full_width(monkeypatch):
    torch = pytest.importorskip("torch")
    from golden import ddcolor_tensors as wide
    from golden import make_published, torch_ddcolor

    sizes = dict(WIDTH=1.0, QUERIES=100, LAYERS=9)
    for name, value in sizes.items():
        monkeypatch.setattr(wide, name, value)
    monkeypatch.setattr(torch_ddcolor, "LAYERS", 9)
    tensors = wide.ddcolor_tensors()
    published = load_ddcolor(made(tensors))
    ab = jax.jit(net(published).apply)(published.variables, grey())
    rgb = make_published.channels_first(make_published.greys(grey())).double()
    with torch.no_grad():
        expected = torch_ddcolor.ddcolor(make_published.doubles(tensors), rgb)
    expected = expected.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(ab, expected, rtol=0, atol=1e-3)


def test_forms_of_the_file(tensors):
    """Tensors may be under "params", and lack what only classification needs."""
    plain = load_ddcolor(made(tensors)).variables
    held = {f"params.{key}": x for key, x in tensors.items() if key != "mean"}
    del held["params.encoder.arch.norm.weight"]
    again = load_ddcolor(made(held)).variables
    jax.tree.map(np.testing.assert_array_equal, plain, again)


def test_wrong_files_name_the_tensor(tensors):
    def refused(match, drop=(), **changes):
        changed = {k: x for k, x in tensors.items() if k not in drop} | changes
        with pytest.raises(UserError, match=match):
            load_ddcolor(made(changed))

    key = "decoder.layers.1.conv.0.weight_u"
    refused(f"made.pth: not DDColor: '{key}' is missing", [key])
    refused("'decoder.other.bias' belongs", **{"decoder.other.bias": np.zeros(1, "f4")})
    key = "encoder.arch.stages.2.8.pwconv1.weight"
    refused(f"'{key}' has shape", **{key: tensors[key][1:]})
    key = "refine_net.0.0.weight_u"
    refused("no positive singular value", **{key: -tensors[key]})
    refused("'mean' is not that of ImageNet", mean=tensors["std"])
    key = "decoder.color_decoder.transformer_ffn_layers.0.linear1.bias"
    refused(f"'{key}' holds NaN", **{key: np.full_like(tensors[key], np.nan)})


@pytest.mark.parametrize("holder", ["", "model."])
def test_encoder_before_training(holder):
    shapes = convnext_shapes("")
    add_norm(shapes, "norm", 48)
    shapes["head.weight"], shapes["head.bias"] = (21841, 48), (21841,)
    made_up = {f"{holder}{key}": values(key, shape) for key, shape in shapes.items()}
    published = load_convnext(made(made_up))
    params = published.variables["params"]["encoder"]
    kernel = params["stage2"]["expand"]["kernel"]
    expected = made_up[f"{holder}stages.2.5.pwconv1.weight"].T
    np.testing.assert_array_equal(kernel[5], expected)
    assert "norm3" not in params
    del made_up[f"{holder}stages.0.0.gamma"]
    with pytest.raises(UserError, match="not ConvNeXt.*'stages.0.0.gamma' is missing"):
        load_convnext(made(made_up))
