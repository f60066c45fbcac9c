"""Checks of single images: `decode` one, `measure` many, and `find_problems` in all.

The thresholds were set on the 919 photographs of the quick config, unchanged and
altered on purpose; tests/apps/test_doctor.py says how many of each are found.
"""

import hashlib
import threading
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from colorjax import images
from colorjax.apps.doctor.near_duplicates import find_repetitions
from colorjax.color import rgb_to_lab
from colorjax.data.statistics import mean_code
from colorjax.evaluation.metrics.image import colorfulness_of

FINDINGS = {  # the kinds of findings, in the order of the report, and what they mean
    "unreadable": "cannot be decoded; in training it counts for nothing",
    "constant": "nearly one color everywhere: nothing to learn from",
    "tiny": "a short side of less than half of data.resize: enlarged, it is a blur",
    "grey": "no color: the loss leaves it out",
    "toned": "grey under one warm tone, like sepia: teaches that the world is brown",
    "duplicate": "the pixels of another one",
    "near-duplicate": "looks like another one: scaled, compressed, a little cropped",
}
# By kind, the indices of the images that have it, each with a detail: the reason, the
# size of the image, or the index of the image that it repeats.
Findings = dict[str, dict[int, str | int]]

THUMB = 16  # side of the thumbnails that tones and repetitions are judged by
LARGE = 24_000_000  # pixels; only one image of more is in memory at a time
COLORED, CONSTANT = 0.005, 3.0  # share of colored pixels; deviation in Lab units
LEVELS, WARM = 32, (20.0, 110.0)  # levels of L, each with a tone; its hue in degrees
TONE, CHROMA = 2.0, 5.0  # deviation from the tone, chroma of the tone, in ab units

_one_large = threading.Lock()


class Decoded(NamedTuple):
    """A decoded image: its (height, width), the hash of its pixels, a thumbnail of all
    of it, and the center square that evaluation sees."""

    size: tuple[int, int]
    digest: bytes
    thumb: UInt8[np.ndarray, "16 16 3"]
    square: UInt8[np.ndarray, "side side 3"]


class Measures(NamedTuple):
    """What `measure` computes of each square.

    - `chroma`: mean, in ab units;
    - `colored`: share of pixels with |a| or |b| above 5, as in the loss;
    - `deviation`: from the mean color, root mean square in Lab units;
    - `colorfulness`: of Hasler and Suesstrunk;
    - `code`: mean soft code.
    """

    chroma: Float[Array, "b"]
    colored: Float[Array, "b"]
    deviation: Float[Array, "b"]
    colorfulness: Float[Array, "b"]
    code: Float[Array, "b 313"]


@dataclass(frozen=True)
class Examination:
    """The measures of a data set of `count` images.

    `unreadable` gives the reason by index. The arrays have the n readable images in
    order; `index` is where each stands in the data set. `prior` is the mean soft code
    of the training split.
    """

    count: int
    unreadable: dict[int, str]
    index: Int[np.ndarray, "n"]
    sizes: Int[np.ndarray, "n 2"]
    digests: list[bytes]
    thumbs: UInt8[np.ndarray, "n 16 16 3"]
    chroma: Float[np.ndarray, "n"]
    colored: Float[np.ndarray, "n"]
    deviation: Float[np.ndarray, "n"]
    colorfulness: Float[np.ndarray, "n"]
    prior: Float[np.ndarray, "313"]


def decode(data: bytes, name: str, side: int) -> Decoded:
    """Decode an image file. Raises `UserError`, naming it, where that fails."""
    if images.pixel_count(data) > LARGE:
        with _one_large:
            return _decode(data, name, side)
    return _decode(data, name, side)


def _decode(data: bytes, name: str, side: int) -> Decoded:
    image = images.read(data, name)
    height, width = images.short_size(image, side)
    center = ((height - side) // 2, (width - side) // 2, side, side)
    square = images.resize(image, (height, width), center)
    shape = np.array(image.shape[:2], "<i8").tobytes()
    digest = hashlib.blake2b(shape + image.tobytes(), digest_size=16).digest()
    thumb = images.resize(image, (THUMB, THUMB))
    size = (image.shape[0], image.shape[1])
    return Decoded(size, digest, thumb, np.ascontiguousarray(square))


@jax.jit
def measure(squares: UInt8[Array, "b side side 3"]) -> Measures:
    """The measures of each square."""
    rgb = squares.astype(jnp.float32) / 255
    lab = rgb_to_lab(rgb)
    ab = lab[..., 1:]
    centered = lab - lab.mean(axis=(1, 2), keepdims=True)
    return Measures(
        jnp.linalg.norm(ab, axis=-1).mean(axis=(1, 2)),
        (jnp.abs(ab).max(axis=-1) > 5).mean(axis=(1, 2)),
        jnp.sqrt(jnp.square(centered).sum(-1).mean(axis=(1, 2))),
        colorfulness_of(rgb),
        mean_code(ab),
    )


@jax.jit
def _tones(
    thumbs: UInt8[Array, "n 16 16 3"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    lab = rgb_to_lab(thumbs.reshape(len(thumbs), -1, 3).astype(jnp.float32) / 255)

    def one(lab):
        level = jnp.clip(lab[:, 0] / 100 * LEVELS, 0, LEVELS - 1).astype(jnp.int32)
        ab = lab[:, 1:]
        count = jax.ops.segment_sum(jnp.ones(len(ab)), level, LEVELS)
        tone = jax.ops.segment_sum(ab, level, LEVELS) / jnp.maximum(count, 1)[:, None]
        rest = jnp.sqrt(jnp.square(ab - tone[level]).sum(-1).mean())
        a, b = ab.mean(0)
        return rest, jnp.hypot(a, b), jnp.degrees(jnp.arctan2(b, a))

    return jax.vmap(one)(lab)


def tones(
    thumbs: UInt8[np.ndarray, "n 16 16 3"], chunk: int = 256
) -> list[Float[np.ndarray, "n"]]:
    """By thumbnail, how far ab is from a function of L (root mean square, in ab units),
    and the chroma (ab units) and the hue (degrees) of its mean.

    An image that is grey under a tone, whatever the curve of the tone, has one ab for
    each L. All chunks have one size, so that one program is compiled.
    """
    parts = []
    for start in range(0, len(thumbs), chunk):
        part = thumbs[start : start + chunk]
        padded = np.pad(part, ((0, chunk - len(part)), (0, 0), (0, 0), (0, 0)))
        parts.append([np.asarray(x)[: len(part)] for x in _tones(padded)])
    return [np.concatenate(x) for x in zip(*parts, strict=True)] or [np.zeros(0)] * 3


def _best_first(
    rows: Int[np.ndarray, "m"],
    faulty: Bool[np.ndarray, "n"],
    sizes: Int[np.ndarray, "n 2"],
) -> Int[np.ndarray, "m"]:
    """The rows in the order in which images are kept: those without a fault first, and
    of these the largest first; equal ones stay in their order.

    Of several versions of an image, the first one counts as the original.
    """
    return rows[np.lexsort((rows, -sizes[rows].prod(axis=1), faulty[rows]))]


def find_problems(examination: Examination, side: int) -> Findings:
    """The findings in a data set whose images are resized to `side` pixels.

    An unreadable or constant image has no other finding. An image may be toned and tiny
    at once; a grey one is not toned. Of images that repeat each other the best one has
    no finding: the largest of those without another fault.
    """
    constant = examination.deviation < CONSTANT
    grey = ~constant & (examination.colored < COLORED)
    rest, chroma, hue = tones(examination.thumbs)
    warm = (WARM[0] < hue) & (hue < WARM[1])
    toned = ~constant & ~grey & warm & (rest < TONE) & (chroma > CHROMA)
    short = examination.sizes.min(axis=1, initial=side)
    masks = {
        "constant": constant,
        "tiny": ~constant & (2 * short < side),
        "grey": grey,
        "toned": toned,
    }
    index = examination.index.tolist()
    findings: Findings = {kind: {} for kind in FINDINGS}
    findings["unreadable"] = dict(examination.unreadable)
    for kind, mask in masks.items():
        for i in np.flatnonzero(mask):
            height, width = examination.sizes[i]
            findings[kind][index[i]] = f"{width}x{height}"
    faulty = grey | toned | masks["tiny"]
    rows = _best_first(np.flatnonzero(~constant), faulty, examination.sizes)
    exact, near = find_repetitions(
        [examination.digests[i] for i in rows], examination.thumbs[rows]
    )
    for kind, repetitions in {"duplicate": exact, "near-duplicate": near}.items():
        findings[kind] = {
            index[rows[i]]: index[rows[j]] for i, j in repetitions.items()
        }
    return findings
