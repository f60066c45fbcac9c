"""3x3 convolutions by fewer multiplications, in prepared nets only."""

import copy
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.inference.colorizer import Colorizer
from colorjax.method import Method, Prediction
from colorjax.nets import winograd
from colorjax.nets.layers import Conv, apply_eval, dilated_conv
from colorjax.nets.vgg_dilated import VGGDilated


def uniform(*shape):
    values = np.random.default_rng(0).uniform(-1, 1, shape)
    return jnp.asarray(values, jnp.float32)


def assert_near(ours, expected):
    """Up to rounding."""
    assert ours.shape == expected.shape
    assert np.linalg.norm(ours - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 8)])
def test_same_as_the_definition(size, dilation):
    @jax.jit
    def both(x, kernel):
        ours = winograd.convolve(x, winograd.transform(kernel), dilation)
        return ours, dilated_conv(x, kernel, 1, dilation)

    assert_near(*jax.device_get(both(uniform(2, *size, 5), uniform(3, 3, 5, 6))))


@pytest.fixture
def small(monkeypatch):
    """Kernels of 4 channels are large."""
    monkeypatch.setattr(winograd, "CHANNELS", 4)


def convolutions(function, *args):
    """How many convolutions of the definition a function has."""
    return str(jax.make_jaxpr(function)(*args)).count("conv_general_dilated[")


@pytest.mark.parametrize(
    ("options", "left"),
    [({}, 0), (dict(padding=0, kernel_dilation=2), 0), (dict(strides=2), 1)],
)
def test_layer_of_flax(small, options, left):
    conv = nn.Conv(6, (3, 3), conv_general_dilated_cls=winograd.Convolution, **options)
    x = uniform(2, 9, 8, 4)
    variables = jax.jit(conv.init)(jax.random.key(0), x)
    prepared = winograd.prepare({"G": variables})["G"]
    assert convolutions(conv.apply, prepared, x) == left
    apply = jax.jit(conv.apply)
    assert_near(apply(prepared, x), apply(variables, x))
    half = conv.clone(dtype=jnp.bfloat16)
    assert convolutions(half.apply, prepared, x) == 1


class Net(nn.Module):
    """Three layers, of which the second has a large kernel."""

    @nn.compact
    def __call__(self, x):
        x = Conv((3, 3, 1, 4))(x)
        x = Conv((3, 3, 4, 4), functools.partial(dilated_conv, dilation=2))(x)
        return Conv((3, 3, 4, 2))(x)


@pytest.fixture(scope="module")
def method_and_nets():
    def infer(nets, inputs, keys):
        return Prediction(apply_eval(Net(), nets["G"], inputs["lightness"]))

    net = jax.jit(Net().init)(jax.random.key(0), uniform(1, 8, 8, 1))
    return Method(lambda *_: {}, {}, infer), {"G": net}


def test_a_colorizer_prepares(small, method_and_nets):
    """Its own nets, which it copies and others read, do not depend on the device."""
    method, nets = method_and_nets
    colorizer = Colorizer(method, nets, [8], section={"name": "zhang2016"})
    args = uniform(1, 8, 8, 3), 0, np.zeros(1, np.uint32)
    assert convolutions(colorizer._predict, nets, *args) == 3
    assert convolutions(colorizer._predict, colorizer._prepared, *args) == 2
    predictions = [colorizer._predict(x, *args)[1] for x in (nets, colorizer._prepared)]
    assert_near(*predictions)
    for own in (colorizer, copy.copy(colorizer)):
        assert winograd.COLLECTION not in own.nets["G"]


def test_only_the_cpu_prepares(small, method_and_nets, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    _, nets = method_and_nets
    assert winograd.prepare(nets) == nets


def test_large_layers_of_the_papers_net():
    """All but the first layers, those with a stride, and the head."""
    net, x = VGGDilated(313), jnp.zeros((1, 16, 16, 1))
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    prepared = jax.eval_shape(lambda x: winograd.prepare({"G": x})["G"], variables)
    assert convolutions(net.apply, variables, x) == 22
    assert convolutions(net.apply, prepared, x) == 6
