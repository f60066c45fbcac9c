"""How well one model does with hints: `scores_of` the images of a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from colorjax.data.batches import Batch
from colorjax.errors import UserError
from colorjax.evaluation.metrics.image import psnr, recolor
from colorjax.evaluation.simulation import draw_cells, simulate
from colorjax.hints import Guide, locate
from colorjax.inference.distribution import Distribution
from colorjax.method import Examples, Keys, Prediction, image_keys

CHANGED = 2.3  # Lab units: a difference that is just seen


class Model(NamedTuple):
    """A network that predicts, and what is known of it."""

    predict: Callable[[Any, Examples, Keys], Prediction]
    nets: Any
    temperature: float = 1.0
    takes: frozenset[str] = frozenset()


def draw_hints(
    batch: Batch, counts: set[int], seed: int
) -> dict[int, list[Guide | None]]:
    """The hints of each image of a batch, by their number."""
    images, side = batch["image"], batch["image"].shape[1]
    cells = [draw_cells(side, seed, int(i)) for i in batch["index"]]
    if max(counts) > len(cells[0]):
        raise UserError(
            f"--hints={max(counts)} is more than the {len(cells[0])} cells of an image "
            f"of {side} pixels"
        )
    return {
        count: [simulate(x, own[:count]) for x, own in zip(images, cells, strict=True)]
        for count in counts
    }


def scores_of(
    model: Model,
    examples: Examples,
    hinted: Mapping[int, Sequence[Guide | None]],
    counts: Sequence[int],
    seed: int,
) -> dict[str, Float[np.ndarray, "b"]]:
    """The values of each image of a batch."""
    lightness = np.asarray(examples["lightness"])[..., 0]
    plain = _predict(model, examples, seed)
    results: dict[int, tuple[Sequence[Guide | None], np.ndarray]] = {}
    for count, guides in hinted.items():
        prediction = plain
        if model.takes and count:
            shown = examples | _inputs(model, guides, lightness)
            prediction = _predict(model, shown, seed)
        results[count] = guides, _decode(model, prediction, guides, lightness)
    return {
        f"psnr@{count}": np.asarray(_psnr(results[count][1], examples))
        for count in counts
    } | {
        "hint_error": _errors(*results[max(counts)], lightness),
        "hint_range": _ranges(*results[1], results[0][1]),
    }


def _predict(model: Model, examples: Examples, seed: int) -> Prediction:
    """What a network predicts for a batch, as NumPy arrays."""
    keys = image_keys(seed, examples["index"])
    return jax.device_get(model.predict(model.nets, examples, keys))


def _inputs(
    model: Model, guides: Sequence[Guide | None], lightness: Float[np.ndarray, "b h w"]
) -> dict[str, Array]:
    """The hints of each image as inputs of a network that takes them."""
    pairs = zip(guides, lightness, strict=True)
    located = [locate(guide, light.shape, light) for guide, light in pairs if guide]
    return {
        name: jnp.stack([getattr(own, name) for own in located]) for name in model.takes
    }


def _decode(
    model: Model,
    prediction: Prediction,
    guides: Sequence[Guide | None],
    lightness: Float[np.ndarray, "b h w"],
) -> Float[np.ndarray, "b h w 2"]:
    """The ab of the images of a batch with these hints."""
    size, colors = lightness.shape[1:], []
    for row, guide in enumerate(guides):
        ab, logits = np.asarray(prediction.ab[row]), prediction.logits
        logits = None if logits is None else np.asarray(logits[row])
        stride = 1 if logits is None else len(ab) // len(logits)
        own = lightness[row], ab, logits, stride, model.temperature
        seen = {} if guide is None else dict.fromkeys(model.takes, guide.to_json())
        distribution = Distribution(size, *own, network_hints=seen)
        colors.append(distribution.decode(hints=guide))
    return np.stack(colors)


@jax.jit
def _psnr(ab: Float[Array, "b h w 2"], examples: Examples) -> Float[Array, "b"]:
    return psnr(recolor(examples, ab), examples["rgb"])


def _errors(
    guides: Sequence[Guide | None],
    ab: Float[np.ndarray, "b h w 2"],
    lightness: Float[np.ndarray, "b h w"],
) -> Float[np.ndarray, "b"]:
    """The mean distance of ab from the hints of each image; NaN without hints."""
    errors = np.full(len(ab), np.nan)
    for row, guide in enumerate(guides):
        if guide is not None:
            hints = locate(guide, ab.shape[1:3], lightness[row])
            places = tuple(np.rint(hints.places).astype(int).T)
            distance = np.linalg.norm(ab[row][places] - hints.ab, axis=-1)
            errors[row] = distance.mean()
    return errors


def _ranges(
    guides: Sequence[Guide | None],
    hinted: Float[np.ndarray, "b h w 2"],
    plain: Float[np.ndarray, "b h w 2"],
) -> Float[np.ndarray, "b"]:
    """The mean distance from the hint of each image to the pixels that it changes; NaN
    where it changes none."""
    ranges = np.full(len(plain), np.nan)
    for row, guide in enumerate(guides):
        assert guide is not None
        side, (point,) = plain.shape[1], guide.points
        change = np.linalg.norm(hinted[row] - plain[row], axis=-1)
        y, x = np.nonzero(change > CHANGED)
        if len(y):
            distance = np.hypot(y + 0.5 - point.y * side, x + 0.5 - point.x * side)
            ranges[row] = distance.mean()
    return ranges
