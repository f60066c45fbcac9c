"""A small stochastic method, `colorjax.methods.noisy` in tests that register it."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from colorjax import files, methods
from colorjax.method import Method, Prediction
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.train.checkpoint import save_nets


def build(
    *,
    prior: np.ndarray | None = None,
    width: float = 1.0,
    amount: float = 20.0,
    steps: int = 2,
    ema: float = 0.9,
) -> Method:
    """ab is a multiple of L plus noise of `amount` ab units, smoothed `steps` times.

    Nothing is wider than `width`, which every method of the contract test has.
    """
    del prior, width

    def init(key, examples):
        params = {"w": jax.random.normal(key, (2,))}
        return {"G": {"params": params}, "unused": {"params": params}}

    def color(params, lightness):
        return 20 * params["w"] * (lightness / 50 - 1)

    def loss(params, nets, examples, key):
        error = color(params, examples["lightness"]) - examples["ab"]
        errors = jnp.where(colorful_mask(examples) > 0, (error**2).mean((1, 2, 3)), 0)
        return errors.mean(), ({}, {"loss": errors.mean()})

    def infer(nets, inputs, keys):
        lightness = inputs["lightness"]
        shape = (*lightness.shape[1:3], 2)
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
        for _ in range(steps):
            noise = (noise + jnp.roll(noise, 1, 1) + jnp.roll(noise, 1, 2)) / 3**0.5
        return Prediction(color(nets["G"]["params"], lightness) + amount * noise)

    return Method(
        init,
        {"G": loss},
        infer,
        stochastic=True,
        ema={"G": ema},
        options=frozenset({"steps", "amount"}),
    )


def register(monkeypatch) -> None:
    """Let commands of this process find the method by its name, `noisy`."""
    monkeypatch.setattr(methods, "NAMES", [*methods.NAMES, "noisy"])
    monkeypatch.setitem(sys.modules, "colorjax.methods.noisy", sys.modules[__name__])


def write_run(workdir, config):
    """Write a run of no steps of the method `noisy` with the other keys of `config`."""
    workdir.mkdir(parents=True)
    params = {"w": np.array([1.0, -0.5], np.float32)}
    save_nets(workdir, {"G": {"params": params}, "unused": {"params": params}})
    files.write_json(workdir / "config.json", config | {"method": {"name": "noisy"}})
    np.save(workdir / "prior.npy", np.full(313, 1 / 313, np.float32))
    return workdir
