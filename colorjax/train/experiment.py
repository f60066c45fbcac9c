"""What a config describes: `Experiment`, made of `make_method`, `make_dataset`,
`make_adam`, and `Inference`, made of `make_inference`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float
from optax import GradientTransformation, Schedule

from colorjax import config as configs
from colorjax import methods
from colorjax.data.pipeline import LARGEST, ImageDataset
from colorjax.distributed import check_batch_size
from colorjax.errors import UserError
from colorjax.method import Method, abstract_batch
from colorjax.train.checkpoint import Checkpoints
from colorjax.train.optim import Adam
from colorjax.train.placement import Placement
from colorjax.train.step import StepOptions, TrainState, make_init, make_step
from colorjax.train.training_data import TrainingData


def make_method(
    section: dict[str, Any], prior: Float[np.ndarray, "313"] | None = None
) -> Method:
    """The method that the `method` section of a config describes.

    `prior` has the frequencies of the color bins; only losses need it.
    """
    section = dict(section)
    name = section.pop("name", None)
    configs.check_type("config.method.name", name, str)
    build = methods.builder(name)
    configs.check_section("method", build, section, ["prior"])
    return build(prior=prior, **section)


def set_options(section: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The `method` section of a run's config, with other `options` of its use.

    Raises `UserError` where the method does not let an option change.
    """
    allowed = make_method(section).options
    for key in options:
        if key not in allowed:
            others = ", ".join(f"method.{x}" for x in sorted(allowed)) or "none"
            raise UserError(
                f"method.{key} of {section['name']} cannot change when a run is used; "
                f"what can: {others}"
            )
    return {**section, **options}


@dataclass(frozen=True)
class Inference:
    """How a trained run colorizes, the `inference` section of a config.

    `sizes` are the short sides, in pixels, at which the network sees a picture, by
    default `data.resize`. The colors are the mean over all sizes. `saturation`
    multiplies the chroma. Both are defaults, which a user can change. Training and
    evaluation use neither. Raises `UserError` where a value is out of range.
    """

    sizes: Sequence[int] = ()
    saturation: float = 1.0

    def __post_init__(self):
        for side in self.sizes:
            if not 8 <= side <= LARGEST:
                raise UserError(
                    f"config.inference.sizes: {side} is not within 8 to {LARGEST}"
                )
        if not 0 <= self.saturation <= 100:
            raise UserError(
                f"config.inference.saturation: {self.saturation} is not within 0 to 100"
            )


def make_inference(section: dict[str, Any], side: int) -> Inference:
    """What the `inference` section of a config describes; `side` is the default."""
    section = configs.check_section("inference", Inference, section)
    for size in section.get("sizes", ()):
        configs.check_type("config.inference.sizes", size, int)
    inference = Inference(**section)
    return inference if inference.sizes else replace(inference, sizes=(side,))


def make_dataset(section: dict[str, Any]) -> ImageDataset:
    """The images that the `data` section of a config describes."""
    return ImageDataset(**configs.check_section("data", ImageDataset, section))


def check_text(dataset: ImageDataset, method: Method) -> None:
    """Raise `UserError` unless the method learns from the captions and the boxes of the
    data, if there are any, and reads text of the same encoder."""
    if method.text is None:
        for key, feature in ("captions", dataset.captions), ("things", dataset.things):
            if feature:
                raise UserError(
                    f"config.data.{key}: this method does not learn from text"
                )
    elif dataset.captions and method.text.encoder != dataset.text_encoder:
        raise UserError(
            f"config.data.text_encoder is '{dataset.text_encoder}', and "
            f"config.method.text_encoder '{method.text.encoder}'; they must be the same"
        )


def make_adam(section: dict[str, Any]) -> Adam:
    """The optimizer that the `optimizer` section of a config describes."""
    return Adam(**configs.check_section("optimizer", Adam, section))


@dataclass(frozen=True)
class Experiment:
    """The parts of a training run, built from its config and checked.

    `method` has no prior: it initializes and predicts, but its losses cannot run.
    `abstract_batch` and `abstract_state` are the shapes of a global batch and of the
    state, this with its shardings.
    """

    config: dict[str, Any]
    mesh: Mesh
    dataset: ImageDataset
    method: Method
    optimizer: GradientTransformation
    learning_rate: Schedule
    step_options: StepOptions
    init: Callable[[dict[str, Array]], TrainState]
    abstract_batch: dict[str, jax.ShapeDtypeStruct]
    abstract_state: TrainState

    @classmethod
    def from_config(cls, config: dict[str, Any], mesh: Mesh) -> "Experiment":
        """Build all parts; raises `UserError` for a mistake in the config.

        Nothing is compiled, and no image is read.
        """
        configs.check_keys(config)
        dataset = make_dataset(config["data"])
        make_inference(config.get("inference", {}), dataset.resize)
        adam = make_adam(config["optimizer"])
        optimizer = adam.transformation(config["steps"])
        method = make_method(config["method"])
        method.check(dataset.crop, dataset.unpaired)
        check_text(dataset, method)
        section = configs.check_section("step", StepOptions, config["step"])
        step_options = StepOptions(**section)
        check_batch_size(config["batch"], mesh, step_options.accumulate)
        configs.check_section(
            "checkpoint", Checkpoints, config["checkpoint"], ["workdir"]
        )
        init = make_init(method, optimizer, config["seed"], mesh, step_options)
        batch = abstract_batch(
            config["batch"], dataset.crop, dataset.unpaired, dataset.words.entries
        )
        shapes = jax.eval_shape(init, batch)
        shardings = shapes.shardings(Placement(mesh, step_options.shard))
        state = jax.tree.map(
            lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
            shapes,
            shardings,
        )
        return cls(
            config,
            mesh,
            dataset,
            method,
            optimizer,
            adam.schedule(config["steps"]),
            step_options,
            init,
            batch,
            state,
        )

    @cached_property
    def data(self) -> TrainingData:
        """The opened images; the first use raises `UserError` if there are none."""
        config = self.config
        return TrainingData(
            self.dataset,
            seed=config["seed"],
            batch=config["batch"],
            steps=config["steps"],
        )

    def make_step(
        self, prior: Float[np.ndarray, "313"]
    ) -> Callable[[TrainState, dict[str, Array]], tuple[TrainState, dict[str, Array]]]:
        """The compiled training step, see `colorjax.train.step.make_step`."""
        return make_step(
            make_method(self.config["method"], prior),
            self.optimizer,
            self.config["seed"],
            self.mesh,
            self.step_options,
            self.learning_rate,
        )
