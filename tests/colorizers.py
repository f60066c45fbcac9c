"""Colorizers and runs with random weights."""

from pathlib import Path

import jax
import numpy as np
from examples import UNIFORM
from helpers import TINY

from colorjax import files, images, methods
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution
from colorjax.method import to_examples
from colorjax.train.checkpoint import save_nets

_nets = {}  # of equal methods, which tests build again and again


def random_nets(method):
    """Variables of a method's networks, initialized with two images of noise."""
    random = np.random.default_rng(0)
    batch = {"image": random.integers(0, 256, (2, 32, 32, 3), np.uint8)}
    return jax.jit(method.init)(jax.random.key(0), to_examples(batch))


def random_colorizer(name: str, **settings) -> Colorizer:
    """A colorizer that resizes images to 32 pixels; `settings` go to the method."""
    settings = {"width": 1 / 16} | settings
    method, key = methods.builder(name)(**settings), repr((name, settings))
    if key not in _nets:
        _nets[key] = random_nets(method)
    nets = jax.tree.map(lambda leaf: leaf, _nets[key])  # dicts of its own
    return Colorizer(method, nets, [32], "runs/x, step 1")


def write_run(workdir: Path, name: str = "zhang2016", **settings) -> Path:
    """Write a `random_colorizer` as a run of no steps; return its workdir."""
    workdir.mkdir(parents=True)
    save_nets(workdir, random_colorizer(name, **settings).nets)
    method = dict(name=name) | {"width": 1 / 16} | settings
    data = dict(root="nowhere", resize=32, crop=32)
    files.write_json(workdir / "config.json", TINY | dict(method=method, data=data))
    np.save(workdir / "prior.npy", UNIFORM)
    return workdir


class GreyColorizer(Colorizer):
    """Predicts no color, without a network."""

    has_logits = stochastic = False
    inputs, features, saturation = frozenset({"lightness"}), None, 1.0
    text = None

    def __init__(self):
        pass

    def predict(self, picture, **_):
        if not isinstance(picture, np.ndarray):
            return list(map(self.predict, picture))
        lightness = images.resize(picture[..., 0], (24, 36)) / np.float32(2.55)
        ab = np.zeros((24, 36, 2), np.float32)
        return Distribution(picture.shape[:2], lightness, ab, None, 4)
