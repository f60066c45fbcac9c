"""DeOldify's published weights: the nets against PyTorch's, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.deoldify_tensors import WIDTH, dark_and_light, deoldify_tensors
from helpers import PUBLISHED

from colorjax.color import rgb_to_lab
from colorjax.errors import UserError
from colorjax.nets.deoldify import DeOldify
from colorjax.pretrained.deoldify import load_deoldify
from colorjax.pretrained.weights import Weights


def made(tensors, name="ColorizeStable_gen.pth"):
    return Weights(name, {f"model.{key}": x for key, x in tensors.items()}, "0")


@pytest.mark.parametrize("form", ["deep", "wide"])
def test_deoldify_equals_pytorch(form):
    """In float64 there, with both normalizations as PyTorch applies them."""
    published = load_deoldify(made(deoldify_tensors(form)))
    assert published.method["form"] == form
    assert published.method["width"] == WIDTH
    net = DeOldify(form, WIDTH)
    ab = jax.jit(net.apply)(published.variables, dark_and_light())
    rgb = np.load(PUBLISHED / "deoldify.npz")[form].transpose(0, 2, 3, 1)
    expected = rgb_to_lab(jnp.asarray(rgb))[..., 1:]
    assert expected.std((0, 1, 2)).min() > 1
    np.testing.assert_allclose(ab, expected, rtol=0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["deep", "wide"])
def test_deoldify_at_full_width(monkeypatch, form):
    torch = pytest.importorskip("torch")
    from golden import deoldify_tensors as wide
    from golden import make_published, torch_deoldify

    monkeypatch.setattr(wide, "WIDTH", 1.0)
    tensors = wide.deoldify_tensors(form)
    published = load_deoldify(made(tensors))
    ab = jax.jit(DeOldify(form).apply)(published.variables, dark_and_light())
    greys = make_published.greys(dark_and_light())
    rgb = make_published.channels_first(greys).double()
    with torch.no_grad():
        expected = torch_deoldify.deoldify(make_published.doubles(tensors), rgb, form)
    expected = rgb_to_lab(jnp.asarray(expected.permute(0, 2, 3, 1).numpy()))[..., 1:]
    np.testing.assert_allclose(ab, expected, rtol=0, atol=1e-3)


def test_sizes_and_what_is_left_out():
    tensors = deoldify_tensors("deep")
    weights = made(tensors, "ColorizeVideo_gen.pth")
    weights.tensors["opt.state.0.exp_avg"] = np.zeros(3)
    assert load_deoldify(weights).side == 336
    assert load_deoldify(made(tensors)).side == 560


def test_wrong_files_name_the_tensor():
    tensors = deoldify_tensors("deep")

    def refused(match, drop=(), **changes):
        changed = {k: x for k, x in tensors.items() if k not in drop} | changes
        with pytest.raises(UserError, match=match):
            load_deoldify(made(changed))

    key = "layers.5.conv2.3.query.weight_v"
    refused(f"Stable_gen.pth: not DeOldify: '{key}' is missing", [key])
    refused("'layers.12.bias' belongs", **{"layers.12.bias": np.zeros(1, "f4")})
    key = "layers.8.conv.0.weight_v"
    refused(f"'{key}' holds a direction of length 0", **{key: 0 * tensors[key]})
    refused("'layers.0.0.weight' is missing", ["layers.0.0.weight"])
