"""The work of the programs that take most of the time, without a clock.

XLA counts the FLOPs and the bytes of a compiled program. The bounds are a tenth above
what it counted when they were set, so a slower form is noticed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.method import image_keys
from colorjax.methods import zhang2016
from colorjax.nets import winograd
from colorjax.nets.layers import dilated_conv
from colorjax.quantize import Q, soft_cross_entropy, soft_encode

PIXELS = 4096


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def cost(function, *args):
    """FLOPs and bytes of a compiled function."""
    counts = jax.jit(function).lower(*args).compile().cost_analysis()
    return counts["flops"], counts["bytes accessed"]


@pytest.mark.parametrize(("neighbors", "most"), [(5, (316, 370)), (10, (486, 568))])
def test_soft_encoding(neighbors, most):
    encode = functools.partial(soft_encode, neighbors=neighbors, sigma=5.0)
    flops, size = cost(encode, floats(PIXELS, 2))
    assert flops / PIXELS < most[0] and size / PIXELS < most[1]


def test_loss_and_gradient():
    """Of a logit: an exponential, which counts several FLOPs, and few passes."""

    def loss(logits, ab):
        return soft_cross_entropy(logits, *soft_encode(ab, 5, 5.0)).sum()

    args = floats(PIXELS, Q), floats(PIXELS, 2)
    flops, size = cost(jax.value_and_grad(loss), *args)
    copy = 2 * 4 * PIXELS * Q
    assert flops / (PIXELS * Q) < 17.5 and size / copy < 3.1


def test_training_step_of_a_small_net():
    """The gradient takes twice the FLOPs of the prediction, and nothing is computed
    twice."""
    method = zhang2016.build(width=1 / 8, prior=np.full(Q, 1 / Q, np.float32))
    examples = {
        "lightness": floats(2, 32, 32, 1),
        "ab": floats(2, 32, 32, 2),
        "mask": floats(2),
    }
    key = jax.random.key(0)
    nets = jax.eval_shape(method.init, key, examples)

    def predict(nets, lightness):
        keys = image_keys(0, jnp.arange(len(lightness)))
        return method.predict(nets, {"lightness": lightness}, keys).ab

    def gradient(nets, examples, key):
        loss = jax.grad(method.losses["G"], has_aux=True)
        return loss(nets["G"]["params"], nets, examples, key)

    forward, _ = cost(predict, nets, examples["lightness"])
    step, _ = cost(gradient, nets, examples, key)
    assert forward < 3.5e7 and step / forward < 3.3


def test_large_convolution():
    x = floats(1, 32, 32, 128)
    plain, _ = cost(dilated_conv, x, floats(3, 3, 128, 128))
    fast, _ = cost(winograd.convolve, x, floats(4, 4, 128, 128))
    assert fast / plain < 0.55


def test_gradients_of_a_large_convolution():
    """The kernels, which are larger than the images, are not copied."""

    def product(x, kernels, dy):
        return (winograd.convolve(x, kernels) * dy).sum()

    x = floats(2, 8, 8, 256)
    kernels = floats(4, 4, 256, 256)
    _, size = cost(jax.grad(product, (0, 1)), x, kernels, x)
    assert size / (4 * kernels.size) < 6.6
