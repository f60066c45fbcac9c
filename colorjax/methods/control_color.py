"""Color by diffusion, under hints, an exemplar's colors and text, alone or together.

The function is that of Control Color (Liang, Li, Zhou, Li, Loy, IJCV 2025): one model
is unconditional or takes any of these conditions. The parts are those of
`methods/palette.py`, on ab given L. In training each condition is left out at random.

A noun and a color of a text are two tokens, to which each place of the net attends. For
class data, the noun is the name of the class, and the color is the word for the middle
of the image. In a share of the images the middle is turned to another hue first,
because photographs hardly have some pairs, such as green cars.

When the net is used, guidance makes what the text changes stronger (Ho and Salimans,
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
    pairs: int = 1,
    turned: float = 0.6,
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
    `turned` of the images whose color is said is turned to the hue of another word. If
    the images have captions, these are the texts, and `nouns` and `turned` are not
    used. In use, a text has at most so many `pairs` of a noun and a color.

    `local`, `globe` and `text` are the shares of the images with each condition.
    `hint_count` and `hint_side` are those of `simulate`. `guidance` multiplies what the
    text changes: 0 is without text, 1 as trained. More is bolder, most where the text
    changes most, at the price of a second evaluation of the net. Raises `UserError`
    where a value is out of range.
    """
    del prior
    kind = jnp.dtype(dtype)
    own = make_encoder(encoder, encoder_width, features, frozen, kind)
    shared = net, width, net_options or {}, own, kind, stride, noise, sampler, steps
    shares, hints = (turned, local, globe, text), (hint_count, hint_side)
    denoising = _denoising.make_denoising(*shared)
    model = Model(denoising, text_encoder, tuple(nouns), *shares, *hints, guidance)
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        stochastic=True,
        ema={"G": ema} if ema else {},
        inputs=HINTS | {"lightness", "text"},
        text=TextInput(text_encoder, pairs, guidance),
        options=frozenset({"sampler", "steps", "guidance"}),
    )


def _init(model: Model, key, examples):
    lightness = examples["lightness"]
    inputs = {"lightness": lightness, **no_hints(lightness)}
    seen = Seen(lightness, inputs["local"], _conditions(model, inputs))
    return _denoising.init(model.denoising, key, examples, seen)


def _loss(model: Model, params, nets, examples, key):
    simulation_key, key = jax.random.split(key)
    examples, seen = _simulated(model, simulation_key, examples)
    return _denoising.loss(model.denoising, params, nets, examples, seen, key)


def _infer(model: Model, nets, inputs, keys):
    local, conditions = inputs["local"], _conditions(model, inputs)
    silent = conditions._replace(text=conditions.text[:, :0])
    guidance = model.guidance if "text" in inputs else 0.0
    hints = _denoising.hints_of(model.denoising, local)

    def steer(denoise):
        return pinned(guided(denoise(), denoise(silent), guidance), *hints)

    seen = Seen(inputs["lightness"], local, conditions)
    ab = _denoising.sample_ab(model.denoising, nets, seen, keys, steer)
    return Prediction(ab + local[..., 2:] * (local[..., :2] - ab))


def _conditions(model: Model, inputs) -> Conditions:
    """The histogram and the text of the inputs; without one, a text of no words."""
    shape = inputs["lightness"].shape[0], 0, DIMENSIONS[model.text_encoder] + 1
    text = inputs.get("text", jnp.zeros(shape))
    return Conditions(inputs["globe"], text)


def _simulated(model: Model, key, examples) -> tuple[dict[str, Any], Seen]:
    """The examples of training, some of them turned, and what the net sees of them.

    An image whose color no word says is not turned, so without a text the colors are
    those of photographs.
    """
    counted = colorful_mask(examples)
    word_key, noun_key, turn_key, local_key, hint_key, globe_key = jax.random.split(
        key, 6
    )

    def drawn(key, share):
        return jax.random.bernoulli(key, share, counted.shape) * 1.0

    keys = partial(jax.random.split, num=len(counted))
    text_key, alone_key = jax.random.split(word_key)
    spoken = drawn(text_key, model.text) * examples["mask"]
    colors, nouns = (spoken * drawn(k, 1 - ALONE) for k in (alone_key, noun_key))
    captioned = "text" in examples
    share = jnp.zeros_like(colors) if captioned else model.turned * colors
    ab = turn(keys(turn_key), examples["ab"], share)
    examples = {**examples, "ab": ab}
    local = simulate(keys(hint_key), ab, model.hint_count, model.hint_side)
    local *= (counted * drawn(local_key, model.local))[:, None, None, None]
    globe = counted[:, None] * simulate_globe(keys(globe_key), ab, model.globe)
    if captioned:
        text = examples["text"].at[..., -1].multiply(spoken[:, None])
    else:
        text = _words(model, examples, colors, nouns)
    conditions = Conditions(globe, text)
    return examples, Seen(examples["lightness"], local, conditions)


def _words(model: Model, examples, colors, nouns):
    """A text for each image, the tokens of its color and of its class, with these
    weights; a class that is not known has the weight 0."""
    vectors = partial(word_vectors, model.text_encoder)
    word = middle_word(examples["lightness"], examples["ab"])
    tokens, weights = [jnp.asarray(vectors(WORDS))[word]], [colors]
    if model.nouns:
        label = examples["label"]
        tokens.append(jnp.asarray(vectors(model.nouns))[label])
        weights.append(nouns * (label >= 0))
    text = jnp.stack(tokens, axis=1), jnp.stack(weights, axis=1)[..., None]
    return jnp.concatenate(text, axis=-1)
