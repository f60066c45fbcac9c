"""3x3 convolutions by fewer multiplications, in prepared nets only."""

import copy
import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from colorjax.distributed import make_mesh
from colorjax.inference.colorizer import Colorizer
from colorjax.method import Method, Prediction, abstract_batch
from colorjax.nets import winograd
from colorjax.nets.diffusion_unet import DiffusionUNet
from colorjax.nets.layers import Conv, apply_eval, dilated_conv
from colorjax.nets.patch_transformer import PatchTransformer
from colorjax.nets.vgg_dilated import VGGDilated
from colorjax.train.step import make_init, make_step


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
    """Kernels of 4 channels are large, also in training."""
    monkeypatch.setattr(winograd, "CHANNELS", 4)
    monkeypatch.setattr(winograd, "TRAINED", 4)


def convolutions(function, *args):
    """How many convolutions of the definition a function has."""
    return str(jax.make_jaxpr(function)(*args)).count("conv_general_dilated[")


@pytest.mark.parametrize(
    ("options", "left"),
    [({}, 0), (dict(padding=0, kernel_dilation=2), 0), (dict(strides=2), 1)],
)
def test_layer_of_flax(small, monkeypatch, options, left):
    conv = nn.Conv(6, (3, 3), conv_general_dilated_cls=winograd.Convolution, **options)
    x = uniform(2, 9, 8, 4)
    variables = jax.jit(conv.init)(jax.random.key(0), x)
    prepared = winograd.prepare({"G": variables})["G"]
    assert convolutions(conv.apply, prepared, x) == left
    apply = jax.jit(conv.apply)
    assert_near(apply(prepared, x), apply(variables, x))
    marked, half = winograd.mark({"G": variables}, "cpu")["G"], jnp.bfloat16
    assert convolutions(conv.apply, marked, x) == left
    for weights in (prepared, marked):
        assert convolutions(conv.clone(dtype=half).apply, weights, x) == 1


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
    args = uniform(1, 8, 8, 3), {}, 0, np.zeros(1, np.uint32)
    assert convolutions(colorizer._predict.function, nets, *args) == 3
    assert convolutions(colorizer._predict.function, colorizer._prepared, *args) == 2
    predict = colorizer._predict.function
    assert_near(*(predict(x, *args)[1] for x in (nets, colorizer._prepared)))
    for own in (colorizer, copy.copy(colorizer)):
        assert winograd.COLLECTION not in own.nets["G"]


def test_gradients_of_a_marked_net(monkeypatch, method_and_nets):
    """The layer transforms its kernel itself, so that the gradient is the kernel's."""
    monkeypatch.setattr(winograd, "TRAINED", 4)
    _, nets = method_and_nets
    x = uniform(2, 7, 8, 1)

    def loss(params, nets):
        return (Net().apply({**nets["G"], "params": params}, x) ** 2).sum()

    marked = winograd.mark(nets, "cpu")
    params, gradient = nets["G"]["params"], jax.jit(jax.grad(loss))
    assert convolutions(loss, params, nets) == 3
    assert convolutions(loss, params, marked) == 2
    chex.assert_trees_all_close(
        gradient(params, marked), gradient(params, nets), rtol=1e-4, atol=1e-5
    )


def test_the_step_marks_its_nets(monkeypatch, method_and_nets):
    monkeypatch.setattr(winograd, "TRAINED", 4)
    _, nets = method_and_nets
    marks = []

    def loss(params, nets, examples, key):
        marks.append(nets["G"][winograd.COLLECTION])
        return params["Conv_0"]["bias"].sum(), ({}, {})

    method = Method(lambda *_: nets, {"G": loss}, lambda *_: Prediction(uniform(1)))
    parts = method, optax.sgd(1.0), 0, make_mesh()
    batch = abstract_batch(4, 8)
    state = jax.eval_shape(make_init(*parts), batch)
    state, _ = jax.eval_shape(make_step(*parts), state, batch)
    assert all(mark.keys() == {"Conv_1"} for mark in marks) and marks
    assert winograd.COLLECTION not in state.nets["G"]


def test_other_devices_use_the_definition(small, method_and_nets, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    _, nets = method_and_nets
    assert winograd.prepare(nets) == nets
    assert winograd.mark(nets, "tpu") == nets


def test_large_layers_of_the_papers_net():
    """All but the first layers, those with a stride, and the head."""
    net, x = VGGDilated(313), jnp.zeros((1, 16, 16, 1))
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    prepared = jax.eval_shape(lambda x: winograd.prepare({"G": x})["G"], variables)
    assert convolutions(net.apply, variables, x) == 22
    assert convolutions(net.apply, prepared, x) == 6


@pytest.mark.parametrize(
    ("net", "left"),  # the first and the last one, and those of 1x1
    [
        (DiffusionUNet(2, 1 / 64, multipliers=(1,), blocks=1), 2 + 2),
        (PatchTransformer(2, width=1 / 12, depth=1), 1),  # the last one
    ],
)
def test_nets_of_palette(small, net, left):
    """They use all kernels that a run transforms when it is loaded."""
    inputs = uniform(2, 8, 8, 3), jnp.zeros(2)
    shapes = jax.eval_shape(net.init, jax.random.key(0), *inputs)
    variables = jax.tree.map(lambda leaf: uniform(*leaf.shape), shapes)
    prepared = winograd.prepare({"G": variables})["G"]
    assert convolutions(net.apply, variables, *inputs) > left
    assert convolutions(net.apply, prepared, *inputs) == left
    both = jax.jit(lambda *nets: [net.apply(one, *inputs) for one in nets])
    assert_near(*jax.device_get(both(prepared, variables)))
