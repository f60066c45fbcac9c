"""Color by diffusion, under hints, an exemplar's colors and text, alone or together.

The function is that of Control Color (Liang, Li, Zhou, Li, Loy, IJCV 2025): one model
is unconditional or takes any of these conditions. The parts are those of
`methods/palette.py`, on ab given L. In training each condition is left out at random.

Each place of the net attends to the words of a text. These are a caption of the image,
or the name of its class and the word for the color of its middle; if the data have
boxes, of the largest thing and of the middle of its box. In a share of the images the
thing is turned to another hue first, because photographs hardly have some pairs, such
as green cars.

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
from colorjax.text.color_words import middle_word
from colorjax.text.encoders import ENCODERS, TextEncoder
from colorjax.text.turning import turn

ALONE = 0.1  # of the texts have no noun, and as many have no color
TEXT_NET = "text"  # the name of the net of a text encoder, which is not trained


class Model(NamedTuple):
    """What the functions of the method share; see `build` for the options."""

    denoising: Denoising
    text_encoder: TextEncoder
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
    text_encoder: Literal["use", "minilm"] = "use",
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

    Options that are not explained here are those of Palette. `text_encoder` is "use",
    which encodes words alone, or "minilm", which encodes them in their sentence
    (`text.encoders`). `nouns` are the names of the classes, in the order of the labels;
    without them the texts of training have colors only. The share `turned` of the
    images whose color is said is turned to the hue of another word. An image with a
    caption has this as its text, unless it is turned, and is turned only if `nouns` has
    its class. In use, a text has at most so many `pairs` of a noun and a color.

    `local`, `globe` and `text` are the shares of images with each condition.
    `hint_count` and `hint_side` are those of `simulate`. `guidance` multiplies what the
    text changes: 0 is without text, 1 as trained. More is bolder, most where the text
    changes most, and evaluates the net twice. Raises `UserError` for bad values.
    """
    del prior
    kind = jnp.dtype(dtype)
    own = make_encoder(encoder, encoder_width, features, frozen, kind)
    shared = net, width, net_options or {}, own, kind, stride, noise, sampler, steps
    shares, hints = (turned, local, globe, text), (hint_count, hint_side)
    denoising = _denoising.make_denoising(*shared)
    words = ENCODERS[text_encoder], tuple(nouns)
    model = Model(denoising, *words, *shares, *hints, guidance)
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
    nets = _denoising.init(model.denoising, key, examples, seen)
    if variables := model.text_encoder.load():
        nets[TEXT_NET] = jax.tree.map(jnp.asarray, variables)
    return nets


def _loss(model: Model, params, nets, examples, key):
    simulation_key, key = jax.random.split(key)
    examples, seen = _simulated(model, nets, simulation_key, examples)
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
    shape = inputs["lightness"].shape[0], 0, model.text_encoder.dimensions + 1
    text = inputs.get("text", jnp.zeros(shape))
    return Conditions(inputs["globe"], text)


def _simulated(model: Model, nets, key, examples) -> tuple[dict[str, Any], Seen]:
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
    text_key, alone_key, share_key = jax.random.split(word_key, 3)
    spoken = drawn(text_key, model.text) * examples["mask"]
    colors, nouns = (spoken * drawn(k, 1 - ALONE) for k in (alone_key, noun_key))
    turned = colors * drawn(share_key, model.turned)
    if "text" in examples:
        turned *= ~_has_caption(examples) | (_noun(model, examples) >= 0)
    ab = turn(keys(turn_key), examples["ab"], turned, examples.get("box"))
    examples = {**examples, "ab": ab}
    local = simulate(keys(hint_key), ab, model.hint_count, model.hint_side)
    local *= (counted * drawn(local_key, model.local))[:, None, None, None]
    globe = counted[:, None] * simulate_globe(keys(globe_key), ab, model.globe)
    tokens = _phrases(model, examples, colors, nouns)
    if "text" in examples:
        captions = examples["text"]
        missing = captions.shape[1] - tokens.shape[1]
        tokens = jnp.pad(tokens, ((0, 0), (0, missing), (0, 0)))
        captioned = _has_caption(examples) & (turned == 0)
        tokens = jnp.where(captioned[:, None, None], captions, tokens)
    text = model.text_encoder.encode(nets.get(TEXT_NET, {}), tokens)
    text = text.at[..., -1].multiply(spoken[:, None])
    return examples, Seen(examples["lightness"], local, Conditions(globe, text))


def _has_caption(examples):
    return (examples["text"][..., -1] > 0).any(axis=-1)


def _noun(model: Model, examples):
    """The index of the noun of each image, -1 where there is none."""
    if not model.nouns:
        return jnp.full(examples["mask"].shape, -1)
    label = examples["label"]
    return jnp.where(label < len(model.nouns), label, -1)


def _phrases(model: Model, examples, colors, nouns):
    """The tokens of the color of each image where `colors` is not 0, and of its class
    where `nouns` is not 0."""
    word = middle_word(examples["lightness"], examples["ab"], examples.get("box"))
    noun = _noun(model, examples)
    phrases = model.text_encoder.phrases(model.nouns)
    return phrases(jnp.where(colors > 0, word, -1), jnp.where(nouns > 0, noun, -1))
