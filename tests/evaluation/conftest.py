"""What the tests of evaluation share: a data set, a prior, meshes, predictors, runs."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from helpers import FIXTURES, Result, run_train, write_config

from colorjax import command_line
from colorjax.data.pipeline import ImageDataset
from colorjax.errors import UserError
from colorjax.evaluation.engine import Predictor
from colorjax.method import Prediction
from colorjax.quantize import Q

DRAWINGS = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=16, crop=16)


@pytest.fixture(scope="session")
def drawings():
    """The data set of drawn scenes, of 32 pixels."""
    return ImageDataset(name="drawings", data_dir=str(FIXTURES), resize=32, crop=32)


@pytest.fixture(scope="session")
def prior():
    """A prior in which no bin is as frequent as another."""
    return np.random.default_rng(0).dirichlet(np.ones(Q)).astype(np.float32)


@pytest.fixture(scope="session")
def mesh_of():
    """`mesh_of(n)` is a mesh of the first n devices."""

    def mesh(count):
        kind = (jax.sharding.AxisType.Auto,)
        devices = jax.devices()[:count]
        return jax.make_mesh((count,), ("data",), axis_types=kind, devices=devices)

    return mesh


@pytest.fixture(scope="session")
def constant():
    """`constant(ab)` predicts ab for every pixel."""

    def predictor(ab):
        def predict(nets, examples, keys):
            return Prediction(jnp.broadcast_to(jnp.array(ab), examples["ab"].shape))

        return Predictor(predict, {})

    return predictor


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """`train(name, **changes)` trains the smallest run on the drawings; its workdir."""

    def run(name, **changes):
        folder = tmp_path_factory.mktemp("runs")
        changes["data"] = {**DRAWINGS, **changes.get("data", {})}
        config = write_config(folder / f"{name}.py", **changes)
        result = run_train(f"--config={config}", f"--workdir={folder / name}")
        assert result.code == 0, result.err
        return folder / name

    return run


@pytest.fixture(scope="session")
def runs(train):
    """A run that predicts distributions, and one that predicts ab."""
    return [train("first"), train("l2", method=dict(name="regression", width=1 / 16))]


@pytest.fixture
def evaluate(capsys):
    """`evaluate(*flags)` runs evaluate.py in this process, as its last lines do."""
    import evaluate as program

    def run(*args):
        with flagsaver.flagsaver():
            for name in flags.FLAGS.flags_by_module_dict()[program.__name__]:
                name.unparse()
            try:
                command_line.parse_flags(["evaluate.py", *map(str, args)])
                code = program.main()
            except UserError as error:
                print(f"evaluate.py: {error}", file=sys.stderr)
                code = 2
        return Result(code, *capsys.readouterr())

    return run
