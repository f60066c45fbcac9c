"""Run train.py with a fault: python faulty.py FIRST LAST FLAGS-OF-TRAIN.

The loss is NaN in steps FIRST to LAST. The run must have seed 0.
"""

import dataclasses
import runpy
import sys

import jax
import jax.numpy as jnp
from helpers import ROOT

from colorjax.train import experiment


def nan_in_steps(loss, first, last):
    """The loss, but NaN in the steps `first` to `last`, which their keys identify."""

    def faulty_loss(params, nets, examples, key):
        value, rest = loss(params, nets, examples, key)
        steps = jnp.arange(first - 1, last)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), steps)
        same = jax.random.key_data(keys) == jax.random.key_data(key)
        return jnp.where(same.all(-1).any(), jnp.nan, value), rest

    return faulty_loss


def main():
    first, last = map(int, sys.argv[1:3])
    make_method = experiment.make_method

    def make(section, prior=None):
        method = make_method(section, prior)
        losses = {
            k: nan_in_steps(loss, first, last) for k, loss in method.losses.items()
        }
        return dataclasses.replace(method, losses=losses)

    experiment.make_method = make
    sys.argv = [str(ROOT / "train.py"), *sys.argv[3:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
