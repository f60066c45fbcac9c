"""Color by a network that sees a person's hints.

Source: Zhang, Zhu, Isola, Geng, Lin, Yu, Efros, "Real-Time User-Guided Image
Colorization with Learned Deep Priors", SIGGRAPH 2017, and the authors' training code.
The hints of training are simulated from the true colors. One head regresses ab. The
other predicts a distribution over the bins.

Training has two stages. In the first, "automatic", there are no hints, and the
distribution trains the layers that both heads share. In the second, "guided", there are
hints, and the regression trains these layers. In each stage the other head learns from
features that it does not change.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.hints.simulate import COUNT, SIDE, simulate, simulate_globe
from colorjax.method import HINTS, Method, Prediction, no_hints
from colorjax.methods._gan import loss_and_mean, per_image
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import upsample
from colorjax.nets.siggraph17 import AB_UNIT, Siggraph17
from colorjax.nets.vgg_dilated import SCALE
from colorjax.quantize import annealed_mean, soft_cross_entropy, soft_encode

DELTA = 1.0  # ab units: larger errors count linearly


class Model(NamedTuple):
    """What the functions of the method share; see `build` for the options."""

    net: Siggraph17
    hints: frozenset[str]
    hint_count: float
    hint_side: int
    classes: bool
    temperature: float


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    width: float = 1.0,
    hints: Literal["local", "globe", "both"] = "local",
    stage: Literal["automatic", "guided"] = "guided",
    hint_count: float = COUNT,
    hint_side: int = SIDE,
    head: Literal["plain", "column", "none"] = "plain",
    output: Literal["regression", "classes"] = "regression",
    temperature: float = 0.38,
    mask_center: float = 0.0,
    unit: float = AB_UNIT,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The net computes in `dtype`.

    `width` scales the channels. The net takes hints at places ("local"), a histogram of
    the whole image ("globe"), or "both". `stage` is that of the training; see the
    docstring of the module. A run of the stage "automatic" takes no hints. `hint_count`
    and `hint_side` are those of `simulate`.

    `output` names the head that predicts; "classes" gives a distribution, which
    `temperature` decodes. `head`, `mask_center` and `unit` are those of `Siggraph17`.

    Raises `UserError` if the distribution is asked for and there is no head for it, or
    if `hint_count` is 0.
    """
    del prior
    if not hint_count:
        raise UserError(
            "config.method.hint_count is 0; the stage 'automatic' has no hints"
        )
    if head == "none" and (output == "classes" or stage == "automatic"):
        raise UserError(
            "config.method: output 'classes' and stage 'automatic' need a "
            "distribution, for which head 'none' has no layers"
        )
    names = HINTS if hints == "both" else frozenset({hints})
    guided = stage == "guided"
    trunk = "regression" if guided else "classes"
    own = head, mask_center, unit, trunk, jnp.dtype(dtype)
    model = Model(
        net=Siggraph17(width, "globe" in names, *own),
        hints=names if guided else frozenset(),
        hint_count=hint_count,
        hint_side=hint_side,
        classes=output == "classes",
        temperature=temperature,
    )
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        temperature,
        inputs=model.hints | {"lightness"},
        options=frozenset({"output"}),
    )


def _init(model: Model, key, examples):
    net_key, hint_key = jax.random.split(key)
    inputs = _simulated(model, hint_key, examples)
    return {"G": dict(model.net.init(net_key, *inputs, train=True))}


def _loss(model: Model, params, nets, examples, key):
    inputs = _simulated(model, key, examples)
    variables = {**nets["G"], "params": params}
    result: Any = model.net.apply(variables, *inputs, train=True, mutable="batch_stats")
    (ab, logits), updates = result
    target = examples["ab"]
    huber = optax.huber_loss(ab, target, delta=DELTA).sum(-1)
    terms = {"regression": per_image(huber)}
    if logits is not None:
        code = soft_encode(target[:, ::SCALE, ::SCALE])
        terms["classes"] = per_image(soft_cross_entropy(logits, *code))
    counted = colorful_mask(examples)
    total, metrics = jnp.zeros(()), {"loss": jnp.zeros(())}
    for name, values in terms.items():
        loss, metrics[f"loss_{name}"] = loss_and_mean(values, counted)
        total, metrics["loss"] = total + loss, metrics["loss"] + metrics[f"loss_{name}"]
    return total, ({"G": updates}, metrics)


def _infer(model: Model, nets, inputs, keys):
    inputs = {**no_hints(inputs["lightness"]), **inputs}
    result: Any = model.net.apply(nets["G"], *_ordered(inputs))
    ab, logits = result
    if model.classes:
        return Prediction(
            upsample(annealed_mean(logits, model.temperature), SCALE), logits
        )
    return Prediction(ab)


def _simulated(model: Model, key, examples):
    """The inputs of the net for training: L, and hints from the true colors.

    Images that do not count have no hints, so that they do not change the statistics of
    the batch by their colors.
    """
    ab, counted = examples["ab"], colorful_mask(examples)
    inputs = {"lightness": examples["lightness"], **no_hints(examples["lightness"])}
    keys = jax.random.split(key, len(ab))
    if "local" in model.hints:
        local = simulate(keys, ab, model.hint_count, model.hint_side)
        inputs["local"] = counted[:, None, None, None] * local
    if "globe" in model.hints:
        inputs["globe"] = counted[:, None] * simulate_globe(keys, ab)
    return _ordered(inputs)


def _ordered(inputs):
    return tuple(inputs[name] for name in ("lightness", "local", "globe"))
