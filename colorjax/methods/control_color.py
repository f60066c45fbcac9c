"""Color by diffusion, under hints, an exemplar's colors and text, alone or together.

The function is that of Control Color (Liang, Li, Zhou, Li, Loy, IJCV 2025): one model
is unconditional or takes any of these conditions. The parts are those of
`methods/palette.py`, on ab given L. In training each condition is left out at random.

A text is words: a noun and a color are two tokens, to which each place of the net
attends. For class data, the noun is the name of the class, and the color is the word
for the middle of the image. In a share of the images the middle is turned to another
hue first, because a net learns to obey "green car" from green cars alone.

Where the text says nothing of a place, its guidance does nothing (Ho and Salimans,
"Classifier-Free Diffusion Guidance", 2022). Hints are exact, because every step of the
sampler, and the result, has them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.hints.simulate import COUNT, SIDE, simulate, simulate_globe
from colorjax.method import HINTS, Method, Prediction, TextInput, no_hints
from colorjax.methods import _denoising
from colorjax.methods._denoising import Denoising, Seen
from colorjax.methods._encoder import make_encoder
from colorjax.methods._samplers import guided, pinned
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.cross_attention import Conditions
from colorjax.text.color_words import WORDS, middle_word
from colorjax.text.encoder import DIMENSIONS, word_vectors
from colorjax.text.turning import turn

PAIRS = 1  # of a noun and a color, in a text
ALONE = 0.1  # of the texts have no noun, and as many have no color


class Model(NamedTuple):
    """What the functions of the method share; see `build` for the options."""

    denoising: Denoising
    text_encoder: str
    nouns: tuple[str, ...]
    turned: float
    local: float
    globe: float
    text: float
    hint_count: float
    hint_side: int
    guidance: float


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    net: Literal["unet", "transformer"] = "unet",
    width: float = 1.0,
    net_options: dict[str, Any] | None = None,
    encoder: Literal["", "efficientnet_lite0", "vgg_dilated"] = "",
    encoder_width: float = 1.0,
    features: int = 64,
    frozen: bool = False,
    stride: Literal[1, 2, 4] = 1,
    noise: Sequence[float] = (1.0, 1.6),
    text_encoder: Literal["use"] = "use",
    nouns: Sequence[str] = (),
    turned: float = 0.5,
    local: float = 0.4,
    globe: float = 0.3,
    text: float = 0.85,
    hint_count: float = COUNT,
    hint_side: int = SIDE,
    guidance: float = 1.0,
    sampler: Literal["dpmpp_2m", "heun", "ddim", "ancestral"] = "dpmpp_2m",
    steps: int = 12,
    ema: float = 0.9999,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used.

    Options that are not explained here are those of Palette. `text_encoder` makes
    vectors of words (`text.encoder`). `nouns` are the names of the classes, in the
    order of the labels; without them the texts of training have colors only. The share
    `turned` of the images is turned to the hue of another word.

    `local`, `globe` and `text` are the shares of the images with each condition.
    `hint_count` and `hint_side` are those of `simulate`. `guidance` multiplies what the
    text changes: 0 is without text, 1 as trained, more is bolder. It costs a second
    evaluation of the net unless it is 0 or 1.

    Raises `UserError` where a value is out of range.
    """
    del prior
    kind = jnp.dtype(dtype)
    features_of_l = make_encoder(encoder, encoder_width, features, frozen, kind)
    options = net_options or {}
    shared = net, width, options, features_of_l, kind, stride, noise, sampler, steps
    model = Model(
        _denoising.make_denoising(*shared),
        text_encoder,
        tuple(nouns),
        turned,
        local,
        globe,
        text,
        hint_count,
        hint_side,
        guidance,
    )
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        stochastic=True,
        ema={"G": ema} if ema else {},
        inputs=HINTS | {"lightness", "text"},
        text=TextInput(text_encoder, PAIRS),
        options=frozenset({"sampler", "steps", "guidance"}),
    )


def _init(model: Model, key, examples):
    seen = _seen(model, {"lightness": examples["lightness"]})
    return _denoising.init(model.denoising, key, examples, seen)


def _loss(model: Model, params, nets, examples, key):
    turn_key, seen_key, key = jax.random.split(key, 3)
    keys = jax.random.split(turn_key, len(examples["ab"]))
    ab = turn(keys, examples["ab"], model.turned)
    examples = {**examples, "ab": ab}
    seen = _seen(model, _simulated(model, seen_key, examples))
    return _denoising.loss(model.denoising, params, nets, examples, seen, key)


def _infer(model: Model, nets, inputs, keys):
    seen = _seen(model, inputs)
    hints = _denoising.hints_of(model.denoising, seen.local)

    def steer(denoise):
        silent = seen.conditions._replace(text=seen.conditions.text[:, :0])
        weight = model.guidance if "text" in inputs else 0
        return pinned(guided(denoise(), denoise(silent), weight), *hints)

    ab = _denoising.sample_ab(model.denoising, nets, seen, keys, steer)
    own, weight = seen.local[..., :2], seen.local[..., 2:]
    return Prediction(ab + weight * (own - ab))


def _seen(model: Model, inputs) -> Seen:
    """What the net sees of the inputs of a method; what is missing is not asked."""
    lightness = inputs["lightness"]
    nothing = jnp.zeros((len(lightness), 0, DIMENSIONS[model.text_encoder] + 1))
    inputs = {**no_hints(lightness), "text": nothing, **inputs}
    return Seen(lightness, inputs["local"], Conditions(inputs["globe"], inputs["text"]))


def _simulated(model: Model, key, examples):
    """The inputs for training, drawn from the true colors."""
    ab, counted = examples["ab"], colorful_mask(examples)
    local_key, hint_key, globe_key, text_key = jax.random.split(key, 4)
    given = counted * jax.random.bernoulli(local_key, model.local, counted.shape)
    hints = simulate(
        jax.random.split(hint_key, len(ab)), ab, model.hint_count, model.hint_side
    )
    globe = simulate_globe(jax.random.split(globe_key, len(ab)), ab, model.globe)
    return {
        "lightness": examples["lightness"],
        "local": given[:, None, None, None] * hints,
        "globe": counted[:, None] * globe,
        "text": _words(model, text_key, examples),
    }


def _words(model: Model, key, examples):
    """A text for each image: the tokens of a color and of a noun, or of one of them."""
    lightness, ab = examples["lightness"], examples["ab"]
    nouns = jnp.asarray(word_vectors(model.text_encoder, model.nouns))
    colors = jnp.asarray(word_vectors(model.text_encoder, WORDS))
    tokens = [colors[middle_word(lightness, ab)]]
    all_key, *keys = jax.random.split(key, 3)
    given = jax.random.bernoulli(all_key, model.text, (len(ab),)) * examples["mask"]
    weights = [given * jax.random.bernoulli(keys[0], 1 - ALONE, given.shape)]
    if model.nouns:
        tokens.append(nouns[examples["label"]])
        known = given * (examples["label"] >= 0)
        weights.append(known * jax.random.bernoulli(keys[1], 1 - ALONE, given.shape))
    text = jnp.stack(tokens, axis=1), jnp.stack(weights, axis=1)[..., None]
    return jnp.concatenate(text, axis=-1)
