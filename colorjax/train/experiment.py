"""What the sections of a config describe: `make_method`, `make_dataset`,
`make_optimizer`."""

from typing import Any

import numpy as np
from jaxtyping import Float
from optax import GradientTransformation

from colorjax import config as configs
from colorjax import methods
from colorjax.data.pipeline import ImageDataset
from colorjax.method import Method
from colorjax.quantize import Q
from colorjax.train import optim

UNIFORM = np.full(Q, 1 / Q, np.float32)


def make_method(section: dict[str, Any], prior: Float[np.ndarray, "313"]) -> Method:
    """The method that the `method` section of a config describes."""
    section = dict(section)
    name = section.pop("name", None)
    configs.check_type("config.method.name", name, str)
    build = methods.builder(name)
    return build(prior, **configs.check_section("method", build, section, ["prior"]))


def make_dataset(section: dict[str, Any]) -> ImageDataset:
    """The pictures that the `data` section of a config describes."""
    return ImageDataset(**configs.check_section("data", ImageDataset, section))


def make_optimizer(section: dict[str, Any], steps: int) -> GradientTransformation:
    """The optimizer that the `optimizer` section of a config describes."""
    section = configs.check_section("optimizer", optim.adam, section, ["steps"])
    return optim.adam(steps, **section)
