"""Pictures through a run's network: `view` makes what the network sees of a picture,
`run` predicts many."""

import json
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from colorjax.color import rgb_to_lab
from colorjax.hints import Guide, locate
from colorjax.images import Picture
from colorjax.inference.batching import (
    Size,
    batches,
    crop,
    number,
    padded_size,
    stack,
    to_working_size,
)
from colorjax.inference.programs import StoredProgram
from colorjax.method import GLOBE, HINTS, Method, Nets, TextInput, image_keys
from colorjax.text import reading


class PredictOptions(TypedDict, total=False):
    """The keyword arguments of `Colorizer.predict`; the seed None is 0."""

    batch: int
    seed: int | None
    same_noise: bool
    hints: Guide | Sequence[Guide | None] | None


class View(NamedTuple):
    """What the network sees of a picture: the image at working size and its hints.

    - `size`: height and width of the picture;
    - `number`: the number that chooses the picture's noise;
    - `hints`: the inputs "local" and "globe" for a picture with hints, and "text" for
      one with a text, else empty;
    - `seen`: for each of these inputs the guide as JSON, or the text itself.
    """

    size: Size
    image: UInt8[np.ndarray, "h w 3"]
    number: int
    hints: dict[str, np.ndarray]
    seen: dict[str, str]


class Takes(NamedTuple):
    """The inputs of a network, and which text it reads, if any."""

    inputs: frozenset[str]
    text: TextInput | None


class Output(NamedTuple):
    """What the network predicts for a picture: L, ab, and logits at every `stride`-th
    pixel, if there are any."""

    lightness: Float[np.ndarray, "h w"]
    ab: Float[np.ndarray, "h w 2"]
    logits: Float[np.ndarray, "h2 w2 q"] | None
    stride: int


def compiled(method: Method, section: Mapping[str, Any] | None) -> StoredProgram:
    """A function `predict(nets, rgb, hints, seed, numbers)` of uint8 images, which
    returns L, ab and logits. `hints` are the inputs besides L. Its programs are stored
    if `section`, the one of the config that made the method, is given."""

    @jax.jit
    def predict(nets, rgb, hints, seed, numbers):
        lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
        keys = image_keys(seed, numbers)
        prediction = method.predict(nets, {"lightness": lightness, **hints}, keys)
        return lightness[..., 0], prediction.ab, prediction.logits

    return StoredProgram(
        predict, json.dumps(section, sort_keys=True) if section else ""
    )


def view(
    picture: Picture,
    side: int,
    same_noise: bool,
    guide: Guide | None,
    saturation: float,
    takes: Takes,
) -> View:
    """The picture with a short side of `side` pixels, and what a `guide` asks for.

    The chroma of the hints is divided by `saturation`, which multiplies the prediction.
    The network does not see hints that change nothing elsewhere. Raises `UserError` if
    the guide has a text that the network does not read.
    """
    image, size = to_working_size(picture, side), picture.shape[:2]
    noise = 0 if same_noise else number(image)
    inputs, seen = {}, {}
    if guide is not None and (names := _hint_inputs(guide, takes)):
        rgb = jnp.asarray(image, jnp.float32) / 255
        hints = locate(guide, size, np.asarray(rgb_to_lab(rgb))[..., 0])
        hints = hints.before(saturation)
        inputs = {name: getattr(hints, name) for name in names}
        seen = dict.fromkeys(names, guide.to_json())
    if guide is not None and guide.text:
        inputs["text"] = reading.states_of(guide.text, takes.text)
        seen["text"] = guide.text
    return View(size, image, noise, inputs, seen)


def _hint_inputs(guide: Guide, takes: Takes) -> list[str]:
    """The inputs of a network that hints change elsewhere than at their places."""
    names = takes.inputs & HINTS
    if guide.only_here:
        names &= {"globe"} if guide.exemplar is not None else set()
    return sorted(names)


def run(
    predict: Callable[..., Any],
    nets: Nets,
    inputs: frozenset[str],
    views: Sequence[View],
    side: int,
    batch: int,
    seed: int,
) -> list[Output]:
    """The predictions of a `compiled` method with these `inputs`, in batches."""
    images = [view.image for view in views]
    padded = [padded_size(len(image), image.shape[1], side) for image in images]
    outputs: dict[int, Output] = {}
    for size, members in batches(padded, batch):
        stacked = stack([images[i] for i in members], size, batch)
        numbers = np.zeros(batch, np.uint32)
        numbers[: len(members)] = [views[i].number for i in members]
        hints = _stack_hints(inputs, [views[i].hints for i in members], size, batch)
        arrays = predict(nets, stacked, hints, np.uint32(seed), numbers)
        arrays = jax.device_get(arrays)
        for row, i in enumerate(members):
            own = jax.tree.map(itemgetter(row), arrays)
            outputs[i] = Output(*crop(images[i].shape[:2], *own))
    return [outputs[index] for index in range(len(views))]


def _stack_hints(
    inputs: frozenset[str],
    hints: Sequence[dict[str, np.ndarray]],
    size: Size,
    batch: int,
) -> dict[str, np.ndarray]:
    """The hints of a batch, for the `inputs` that are hints; zeros for others.

    The text, too, if a picture of the batch has one.
    """
    shapes = {"local": (*size, 3), "globe": (GLOBE,)}
    if texts := [own["text"] for own in hints if "text" in own]:
        shapes["text"] = texts[0].shape
    stacked = {
        name: np.zeros((batch, *shape), np.float32)
        for name, shape in shapes.items()
        if name in inputs
    }
    for name, values in stacked.items():
        for row, own in enumerate(hints):
            if name in own:
                values[(row, *map(slice, own[name].shape))] = own[name]
    return stacked
