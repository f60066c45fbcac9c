"""What is wrong with pictures that a net would learn from: `look` at one, `measure`
many, `judge` all of them.

Thresholds were set on the 919 photographs of the quick config, as they are and altered
on purpose; tests/test_doctor.py says what is found of the altered ones.
"""

import hashlib
import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from colorjax import images
from colorjax.apps.doctor.near_duplicates import repeats
from colorjax.color import rgb_to_lab
from colorjax.data.statistics import mean_code
from colorjax.evaluation.metrics.image import colorfulness_of

FINDINGS = {  # in the order in which a report has them, each with what it means
    "unreadable": "cannot be decoded; in training it counts for nothing",
    "constant": "nearly one colour everywhere: nothing to learn from",
    "tiny": "a short side of less than half of data.resize: enlarged, it is a blur",
    "grey": "no colour: the loss leaves it out",
    "toned": "grey under one warm tone, like sepia: teaches that the world is brown",
    "duplicate": "the pixels of another one",
    "near-duplicate": "looks like another one: scaled, compressed, a little cropped",
}

THUMB = 16  # side of the small pictures that tones and likeness are judged by
LARGE = 24_000_000  # pixels: only one picture of more is in memory at a time
COLOURED, CONSTANT = 0.005, 3.0  # share of pixels with colour; deviation in Lab units
LEVELS, WARM = 32, (20.0, 110.0)  # of L that have a tone each; its hue angle, degrees
TONE, CHROMA = 2.0, 5.0  # deviation from that tone, and how strong it is, in ab units

_one_large = threading.Lock()


class Looked(NamedTuple):
    """A decoded picture: its (height, width), the hash of its pixels, a thumbnail of
    all of it, and its centre square as evaluation sees it."""

    size: tuple[int, int]
    digest: bytes
    thumb: UInt8[np.ndarray, "16 16 3"]
    square: UInt8[np.ndarray, "side side 3"]


class Measures(NamedTuple):
    """Figures of squares: mean chroma in ab units, the share of pixels that has colour
    (|a| or |b| above 5, as the loss has it), the deviation from the mean in Lab, the
    colourfulness (Hasler and Suesstrunk), the mean soft code."""

    chroma: Float[Array, "b"]
    coloured: Float[Array, "b"]
    deviation: Float[Array, "b"]
    colourfulness: Float[Array, "b"]
    code: Float[Array, "b 313"]


def look(data: bytes, name: str, side: int) -> Looked:
    """Decode a picture. Raises `UserError`, naming it, where that cannot be."""
    if images.pixel_count(data) > LARGE:
        with _one_large:
            return _look(data, name, side)
    return _look(data, name, side)


def _look(data: bytes, name: str, side: int) -> Looked:
    picture = images.read(data, name)
    height, width = images.short_size(picture, side)
    part = ((height - side) // 2, (width - side) // 2, side, side)
    square = images.resize(picture, (height, width), part)
    shape = np.array(picture.shape[:2], "<i8").tobytes()
    digest = hashlib.blake2b(shape + picture.tobytes(), digest_size=16).digest()
    thumb = images.resize(picture, (THUMB, THUMB))
    return Looked(picture.shape[:2], digest, thumb, np.ascontiguousarray(square))


@jax.jit
def measure(squares: UInt8[Array, "b side side 3"]) -> Measures:
    """The figures of squares."""
    rgb = squares.astype(jnp.float32) / 255
    lab = rgb_to_lab(rgb)
    ab = lab[..., 1:]
    centred = lab - lab.mean(axis=(1, 2), keepdims=True)
    return Measures(
        jnp.linalg.norm(ab, axis=-1).mean(axis=(1, 2)),
        (jnp.abs(ab).max(axis=-1) > 5).mean(axis=(1, 2)),
        jnp.sqrt(jnp.square(centred).sum(-1).mean(axis=(1, 2))),
        colorfulness_of(rgb),
        mean_code(ab),
    )


@jax.jit
def tones(
    thumbs: UInt8[Array, "n 16 16 3"],
) -> tuple[Float[Array, "n"], Float[Array, "n"], Float[Array, "n"]]:
    """How far ab is from being a function of L (rms, in ab units), and the chroma and
    the hue angle (degrees) of its mean.

    Grey under a tone, whatever the tone's curve, has an ab for each L.
    """
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


class Facts(NamedTuple):
    """What was found of all pictures; arrays have those that could be read, in order.

    `place` is where each stands among all `count`; `unreadable` has the reasons of the
    others. `prior` is the mean soft code of the first `first` places.
    """

    count: int
    unreadable: dict[int, str]
    place: Int[np.ndarray, "n"]
    sizes: Int[np.ndarray, "n 2"]
    digests: list[bytes]
    thumbs: UInt8[np.ndarray, "n 16 16 3"]
    chroma: Float[np.ndarray, "n"]
    coloured: Float[np.ndarray, "n"]
    deviation: Float[np.ndarray, "n"]
    colourfulness: Float[np.ndarray, "n"]
    prior: Float[np.ndarray, "313"]


def judge(facts: Facts, side: int) -> dict[str, dict[int, str | int]]:
    """By finding, the places of pictures that have it, each with what is to be said:
    the reason, the size, or the place of the picture that it repeats.

    A picture that cannot be read, or is constant, has no other finding; what is judged
    by looks is told of others only.
    """
    places = facts.place
    found = {kind: {} for kind in FINDINGS}
    found["unreadable"] = dict(facts.unreadable)
    constant = facts.deviation < CONSTANT
    grey = ~constant & (facts.coloured < COLOURED)
    rest, chroma, hue = (np.asarray(x) for x in tones_of(facts.thumbs))
    warm = (WARM[0] < hue) & (hue < WARM[1])
    toned = ~constant & ~grey & warm & (rest < TONE) & (chroma > CHROMA)
    tiny = ~constant & (2 * facts.sizes.min(axis=1, initial=side) < side)
    for kind, which in {
        "constant": constant,
        "tiny": tiny,
        "grey": grey,
        "toned": toned,
    }.items():
        for i in np.flatnonzero(which):
            height, width = facts.sizes[i]
            found[kind][int(places[i])] = f"{width}x{height}"
    told = np.flatnonzero(~constant)
    exact, near = repeats([facts.digests[i] for i in told], facts.thumbs[told])
    for kind, repeated in {"duplicate": exact, "near-duplicate": near}.items():
        found[kind] = {
            int(places[told[i]]): int(places[told[j]]) for i, j in repeated.items()
        }
    return found


def tones_of(thumbs: UInt8[np.ndarray, "n 16 16 3"], chunk: int = 4096):
    """`tones`, of any number of thumbnails with one compilation."""
    parts = []
    for start in range(0, len(thumbs), chunk):
        part = thumbs[start : start + chunk]
        padded = np.pad(part, ((0, chunk - len(part)), (0, 0), (0, 0), (0, 0)))
        parts.append([np.asarray(x)[: len(part)] for x in tones(padded)])
    return [np.concatenate(x) for x in zip(*parts, strict=True)] or [np.zeros(0)] * 3
