"""The interface of a colorization method: `Method`, `Prediction`, and its examples.

A method is a value that consists of pure functions:

- `init(key, examples) -> nets` returns the nets by name. Each is a dict of collections;
  "params" is trained, others ("batch_stats", ...) are carried along.
- `losses` maps the name of each trained net to its loss, in the order in which they
  run: `loss(params, nets, examples, key) -> (value, (collections, metrics))`.
  `collections` holds the updates besides params by net, `{"G": {"batch_stats": ...}}`.
  `metrics` are scalars to log.
- `infer(nets, inputs, keys) -> Prediction`, in evaluation mode. `inputs` holds
  "lightness" [b h w 1], and `keys` [b] has one key an image, which deterministic
  methods ignore. The prediction for an image depends on its inputs and its key alone,
  not on the other images of the batch. Callers use `Method.predict`, which checks the
  names of the inputs and adds `no_hints`.
- `temperature` is the softmax temperature that decodes logits to ab; unused without
  logits.
- `inputs` has the names of the inputs that `infer` reads. A method that is trained with
  hints may name "local" [b h w 3], the ab of hints and their weight from 0 to 1, and
  "globe" [b 314], a histogram of the bins and whether there is one (see
  `colorjax.hints.Hints`). One that is trained with text may name "text" [b k t], for
  each word its vector, then its weight from 0 to 1; it may be missing.
- `text` says which text the input "text" may hold (`TextInput`).
- `stochastic` says that other keys give other predictions.
- `ema` has the decay of an average of the params, by net. The trainer keeps the
  averages (`train/averages.py`), and they predict instead of the params.
- `options` has the keys of the `method` section of a config that may change whenever
  the run is used, such as the number of steps of a sampler.
- `features(nets, lightness)` gives unit vectors at an eighth of the resolution of L,
  whose inner product says how alike two places are, [b h/8 w/8 c]; None where there is
  no such net.
- `serves` has the names of the nets that `infer` reads.
- `check(side, unpaired)` raises `UserError` where the method cannot learn from square
  images of `side` pixels, or needs a second set and the data are not `unpaired`. It
  runs before anything is traced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer, Key, PRNGKeyArray

from colorjax.color import rgb_to_lab
from colorjax.errors import UserError
from colorjax.quantize import Q

Nets = dict[str, dict[str, Any]]
Examples = dict[str, Array]
Inputs = Mapping[str, Array]
Keys = Key[Array, "b"]
GLOBE = Q + 1  # numbers of the input "globe"
HINTS = frozenset({"local", "globe"})  # inputs that are zero where nothing is asked
OPTIONAL = HINTS | {"text"}  # inputs that a caller may leave out


class Prediction(NamedTuple):
    """`ab` in ab units at the resolution of L; `logits` over the bins if there are
    any."""

    ab: Float[Array, "b h w 2"]
    logits: Float[Array, "b h2 w2 q"] | None = None


class TextInput(NamedTuple):
    """The texts that a method was trained with: the `encoder` of their words, a name of
    `colorjax.text.encoders`, and how many `pairs` of a noun and a color they have.

    What a text changes is multiplied by `guidance`, an option of the method.
    """

    encoder: str
    pairs: int
    guidance: float = 1.0


@dataclass(frozen=True, eq=False)  # so that it can be hashed, by identity
class Method:
    """A colorization method: see the docstring of the module."""

    init: Callable[[PRNGKeyArray, Examples], Nets]
    losses: Mapping[str, Callable]
    infer: Callable[[Nets, Inputs, Keys], Prediction]
    temperature: float = 1.0
    serves: tuple[str, ...] = ("G",)
    check: Callable[[int, bool], None] = lambda side, unpaired: None
    inputs: frozenset[str] = frozenset({"lightness"})
    stochastic: bool = False
    ema: Mapping[str, float] = field(default_factory=dict)
    options: frozenset[str] = frozenset()
    features: Callable[[Nets, Array], Array] | None = None
    text: TextInput | None = None

    def predict(self, nets: Nets, inputs: Inputs, keys: Keys) -> Prediction:
        """The prediction for a batch; see the docstring of the module.

        Hints that are missing are `no_hints`. Raises `UserError` unless the names of
        the other inputs are those of `self.inputs`.
        """
        if unknown := sorted(inputs.keys() - self.inputs):
            raise UserError(
                f"this method does not take the input '{unknown[0]}'; it takes "
                f"{', '.join(sorted(self.inputs))}"
            )
        if missing := sorted(self.inputs - inputs.keys() - OPTIONAL):
            raise UserError(f"this method needs the input '{missing[0]}'")
        missing = (self.inputs & HINTS) - inputs.keys()
        zeros = {name: no_hints(inputs["lightness"])[name] for name in missing}
        return self.infer(nets, {**inputs, **zeros}, keys)


def no_hints(lightness: Float[Array, "b h w 1"]) -> dict[str, Array]:
    """The inputs `HINTS` of images without hints."""
    local = jnp.zeros((*lightness.shape[:3], 3), jnp.float32)
    return {"local": local, "globe": jnp.zeros((lightness.shape[0], GLOBE))}


def image_keys(seed: Integer[ArrayLike, ""], numbers: Integer[Array, "b"]) -> Keys:
    """One key for each image, from the seed of all images and the number of each.

    The noise of an image depends on neither its place in the batch nor its neighbors.
    """
    key = jax.random.key(seed)
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def to_examples(batch: Mapping[str, ArrayLike]) -> Examples:
    """A batch of `colorjax.data` as losses and metrics see it.

    "image", uint8, becomes "rgb" [b h w 3] in [0, 1], "lightness" [b h w 1] in [0, 100]
    and "ab" [b h w 2] in ab units. "other" of an unpaired batch becomes
    "other_lightness" and "other_ab". All other entries stay.
    """

    def unit(image):
        return jnp.asarray(image, jnp.float32) / 255

    examples = {
        key: jnp.asarray(x) for key, x in batch.items() if key not in ("image", "other")
    }
    rgb = unit(batch["image"])
    lab = rgb_to_lab(rgb)
    examples |= {"rgb": rgb, "lightness": lab[..., :1], "ab": lab[..., 1:]}
    if "other" in batch:
        lab = rgb_to_lab(unit(batch["other"]))
        examples |= {"other_lightness": lab[..., :1], "other_ab": lab[..., 1:]}
    return examples


def abstract_batch(
    size: int,
    side: int,
    unpaired: bool = False,
    further: Mapping[str, jax.ShapeDtypeStruct] | None = None,
) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes and types of a batch of `size` square images of `side` pixels, for
    tracing. An `unpaired` batch has a second set. `further` are entries of an example
    besides those of all batches."""
    batch = {
        "image": jax.ShapeDtypeStruct((size, side, side, 3), jnp.uint8),
        "mask": jax.ShapeDtypeStruct((size,), jnp.float32),
        "index": jax.ShapeDtypeStruct((size,), jnp.int32),
        "label": jax.ShapeDtypeStruct((size,), jnp.int32),
    }
    for key, entry in (further or {}).items():
        batch[key] = jax.ShapeDtypeStruct((size, *entry.shape), entry.dtype)
    if unpaired:
        batch |= {f"other_{key}": batch[key] for key in ("mask", "index")}
        batch["other"] = batch["image"]
    return batch
