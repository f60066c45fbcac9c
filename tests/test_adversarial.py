"""Adversarial methods: what is computed twice costs once, pools, options, the mean."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from chex import assert_trees_all_close
from helpers import scene
from scipy import stats

from colorjax.adversarial import CRITERIA, empty_pool, exchange, judge, r1_penalty
from colorjax.errors import UserError
from colorjax.method import to_examples
from colorjax.methods import cyclegan, pix2pix, zhang2016
from colorjax.nets.layers import to_stride
from colorjax.sharding import to_devices
from colorjax.training import make_init, make_step, start_from

PRIOR = np.full(313, 1 / 313, np.float32)
SMALL = dict(width=1 / 16, depth=3, patch_layers=2)
METHODS = {
    "pix2pix": lambda: pix2pix.build(PRIOR, **SMALL),
    "batch norm": lambda: pix2pix.build(PRIOR, norm="batch", ema=0.9, **SMALL),
    "spectral": lambda: pix2pix.build(PRIOR, spectral=True, r1=1.0, **SMALL),
    "fine-tuned": lambda: pix2pix.build(
        PRIOR, generator="vgg_dilated", width=1 / 16, patch_layers=2
    ),
    "cyclegan": lambda: cyclegan.build(
        PRIOR, width=1 / 16, blocks=1, patch_layers=2, pool=6
    ),
}


def batch(size=4, side=32):
    pictures = np.stack([scene(i, side) for i in range(2 * size)])
    mask = np.ones(size, np.float32)
    index = np.arange(size, dtype=np.int32)
    return {
        "image": pictures[:size],
        "mask": mask,
        "index": index,
        "label": index,
        "other": pictures[size:],
        "other_mask": mask.copy(),
        "other_index": index,
    }


def mesh(devices):
    return jax.sharding.Mesh(jax.devices()[:devices], ("data",))


def states(method, devices, steps, optimizer=None, pictures=None):
    """The state at first and after each step, and the metrics of the last one."""
    optimizer = optimizer or optax.sgd(0.1)
    place = mesh(devices)
    pictures = to_devices(pictures or batch(), place)
    state = make_init(method, optimizer, 0, place)(pictures)
    step = make_step(method, optimizer, 0, place)
    found, metrics = [jax.device_get(state)], {}
    for _ in range(steps):
        state, metrics = step(state, pictures)
        found.append(jax.device_get(state))
    return found, metrics


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_generator_s_forward_is_computed_once(name):
    """What the losses repeat is there once in the compiled step."""
    method, optimizer, place = METHODS[name](), optax.sgd(0.1), mesh(1)
    pictures = to_devices(batch(), place)
    state = make_init(method, optimizer, 0, place)(pictures)
    lowered = make_step(method, optimizer, 0, place).lower(state, pictures)
    traced = lowered.as_text().count("stablehlo.convolution")
    compiled = len(re.findall(r" convolution\(", lowered.compile().as_text()))
    # The U-Net has 3 convolutions on its way down; each ResNet 7.
    repeated = {"pix2pix": 3, "cyclegan": 2 * 7}[name]
    assert traced - compiled >= repeated
    print(name, traced, compiled)


@pytest.mark.parametrize("name", METHODS)
def test_any_number_of_devices(name):
    one, metrics = states(METHODS[name](), 1, 2)
    four, metrics4 = states(METHODS[name](), 4, 2)
    assert_trees_all_close(four[-1].nets, one[-1].nets, rtol=2e-3, atol=2e-4)
    assert_trees_all_close(metrics4, metrics, rtol=1e-3, atol=1e-3)
