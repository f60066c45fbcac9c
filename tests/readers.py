"""Runs whose network reads text: a small method, `colorjax.methods.reader` in tests
that register it, and a random net of `control_color`."""

import sys
from pathlib import Path

import colorizers
import jax
import jax.numpy as jnp
import numpy as np

from colorjax import methods
from colorjax.inference.colorizer import Colorizer
from colorjax.method import HINTS, Method, Prediction, TextInput
from colorjax.text import encoder
from colorjax.train.checkpoint import save_nets
from colorjax.train.workdir import load_run

TINY_NET = dict(net="transformer", width=1 / 96, net_options=dict(depth=1), stride=2)
AB = {"red": (60, 40), "blue": (10, -60)}  # what the network makes of a word


def encode_words(words):
    """The ab of colors in the first two numbers of their vectors."""
    vectors = np.zeros((len(words), 512), np.float32)
    for row, word in enumerate(words):
        vectors[row, :2] = np.divide(AB.get(word, (0, 0)), 100)
    return vectors


def build(*, prior: np.ndarray | None = None, guidance: float = 1.0) -> Method:
    """ab is that of the words everywhere, times `guidance`, plus the mean of the
    hints."""
    del prior

    def infer(nets, inputs, keys):
        local = inputs["local"]
        ab = (local[..., 2:] * local[..., :2]).mean((1, 2))
        if "text" in inputs:
            words = inputs["text"][..., -1:] * inputs["text"][..., :2]
            ab += guidance * 100 * words.sum(1)
        return Prediction(jnp.broadcast_to(ab[:, None, None], (*local.shape[:3], 2)))

    return Method(
        lambda *_: {},
        {},
        infer,
        serves=(),
        inputs=HINTS | {"lightness", "text"},
        text=TextInput("use", 1, guidance),
        options=frozenset({"guidance"}),
    )


def colorizer(monkeypatch) -> Colorizer:
    """A colorizer with the method, whose name and encoder this process finds."""
    monkeypatch.setattr(encoder, "load_encoder", lambda: encode_words)
    monkeypatch.setattr(methods, "NAMES", [*methods.NAMES, "reader"])
    monkeypatch.setitem(sys.modules, "colorjax.methods.reader", sys.modules[__name__])
    section = {"name": "reader"}
    return Colorizer(build(), {}, [32], "runs/x", section)


def write_run(workdir: Path) -> Path:
    """Write a run of `control_color` whose weights are all random, so that words change
    the colors; return its workdir."""
    colorizers.write_run(workdir, "control_color", **TINY_NET, steps=2, guidance=3.0)
    random, nets = np.random.default_rng(0), load_run(workdir).nets
    nets = jax.tree.map(lambda x: random.normal(0, 0.2, x.shape).astype("f4"), nets)
    save_nets(workdir, nets, 1)
    return workdir
