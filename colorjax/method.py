"""What a colorization method is: `Method`, `Prediction`, and the examples they see.

A method is a value, three pure functions, and the trainer knows nothing more of it:

- `init(key, examples) -> nets`: the nets by name, each a dict of its collections, of
  which "params" is the trained one ("batch_stats", ... are carried along);
- `losses`: in the order in which they run, from the name of a trained net to
  `loss(params, nets, examples, key) -> (value, (collections, metrics))`, where
  `collections` holds what changed besides params, by net: `{"G": {"batch_stats":
  ...}}`, and `metrics` scalars to log;
- `predict(nets, lightness, key) -> Prediction`: in evaluation mode, every picture by
  itself;
- `temperature`: where there are logits, that at which `predict` makes ab of them;
- `serves`: the names of the nets that `predict` reads.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from colorjax.color import rgb_to_lab

Nets = dict[str, dict[str, Any]]
Examples = dict[str, Array]


class Prediction(NamedTuple):
    """`ab` at the resolution of L, and `logits` over the bins for a method with
    them."""

    ab: Float[Array, "b h w 2"]
    logits: Float[Array, "b h2 w2 q"] | None = None


class Method(NamedTuple):
    """A colorizer: see the module's docstring."""

    init: Callable[[PRNGKeyArray, Examples], Nets]
    losses: Mapping[str, Callable]
    predict: Callable[[Nets, Float[Array, "b h w 1"], PRNGKeyArray], Prediction]
    temperature: float = 1.0
    serves: tuple[str, ...] = ("G",)


def to_examples(batch: Mapping[str, ArrayLike]) -> Examples:
    """What losses and metrics see of a batch of `colorjax.data`.

    "image" becomes "rgb" [b h w 3] in [0, 1], and "lightness" [b h w 1] and "ab"
    [b h w 2] of Lab; "other", if there, "other_lightness" and "other_ab" of another
    picture.
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
    size: int, side: int, unpaired: bool = False
) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a batch of `size` pictures of `side` pixels, for tracing only;
    `unpaired` ones have a second set."""
    batch = {
        "image": jax.ShapeDtypeStruct((size, side, side, 3), jnp.uint8),
        "mask": jax.ShapeDtypeStruct((size,), jnp.float32),
        "index": jax.ShapeDtypeStruct((size,), jnp.int32),
        "label": jax.ShapeDtypeStruct((size,), jnp.int32),
    }
    if unpaired:
        batch |= {f"other_{key}": batch[key] for key in ("mask", "index")}
        batch["other"] = batch["image"]
    return batch
