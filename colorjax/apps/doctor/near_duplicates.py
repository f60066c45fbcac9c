"""Which pictures repeat others, judged by thumbnails of them: `repeats`.

Thresholds as in `colorjax.diagnosis`.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

STEP = 1.0  # grey levels from which on there is a slope
RADIUS, APART = 11, 0.4  # bits by which, and how far, pictures that look alike differ
NEAREST, COMPARED = 32, 256  # a bound of what is looked at where all look alike


def slopes(thumbs: UInt8[np.ndarray, "n 16 16 3"]) -> Bool[np.ndarray, "n 128"]:
    """Where grey rises to the right and downwards, on a grid of 8x8: a difference hash.

    Source: N. Krawetz, "Kind of Like That", 2013, there in one direction.
    """
    grey = thumbs.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = grey.reshape(-1, 8, 2, 8, 2).mean((2, 4))
    rises = [np.roll(grey, -1, axis) - grey > STEP for axis in (1, 2)]
    return np.concatenate([r.reshape(len(grey), -1) for r in rises], axis=1)


def alike(
    bits: Bool[np.ndarray, "n bits"], radius: int = RADIUS
) -> tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Pairs i < j of rows that differ in at most `radius` bits.

    Of `radius` + 1 parts of such rows one is the same, so only those that share a part
    are compared; of a row's the `NEAREST` in each part are kept, so that memory grows
    with the number of rows alone.
    """
    packed = np.packbits(bits, axis=1).view(np.uint64)
    found = [np.empty((0, 2), np.int64)]
    for part in np.array_split(bits, radius + 1, axis=1):
        values = part @ (1 << np.arange(part.shape[1]))
        order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.diff(values[order])) + 1
        for group in np.split(order, starts):
            for place, i in enumerate(group[:-1]):
                rest = group[place + 1 :]
                away = np.bitwise_count(packed[rest] ^ packed[i]).sum(1)
                near = rest[away <= radius]
                if len(near) > NEAREST:
                    near = rest[np.argsort(away, kind="stable")[:NEAREST]]
                found.append(np.column_stack([np.full(len(near), i), near]))
    first, second = np.unique(np.concatenate(found), axis=0).T
    return first, second


def unlike(
    thumbs: UInt8[np.ndarray, "n 16 16 3"], thumb: UInt8[np.ndarray, "16 16 3"]
) -> Float[np.ndarray, "n"]:
    """How far thumbnails are from another one, exposure and contrast aside: 0 to 2."""

    def normal(x):
        x = x.reshape(len(x), thumb.size).astype(np.float32)
        x = x - x.mean(1, keepdims=True)
        return x / np.maximum(np.sqrt(np.square(x).mean(1, keepdims=True)), 1e-6)

    return np.sqrt(np.square(normal(thumbs) - normal(thumb[None])).mean(1))


def repeats(
    digests: list[bytes], thumbs: UInt8[np.ndarray, "n 16 16 3"]
) -> tuple[dict[int, int], dict[int, int]]:
    """Of pictures those that repeat an earlier one, with that one: in every pixel, and
    in looks. The earlier one is itself no repetition."""
    first: dict[bytes, int] = {}
    exact = {}
    for i, digest in enumerate(digests):
        if first.setdefault(digest, i) != i:
            exact[i] = first[digest]
    rest = np.array([i for i in range(len(digests)) if i not in exact], np.int64)
    near: dict[int, int] = {}
    bits, group = np.unique(slopes(thumbs[rest]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    neighbours: dict[int, list[int]] = {}
    for i, j in zip(*alike(bits), strict=True):
        neighbours.setdefault(int(i), []).append(int(j))
        neighbours.setdefault(int(j), []).append(int(i))
    kept: dict[int, list[int]] = {}  # from a hash to the pictures that stay
    for place, picture in enumerate(rest.tolist()):
        own = int(group[place])
        hashes = (own, *neighbours.get(own, ()))
        others = [p for h in hashes for p in kept.get(h, ())][:COMPARED]
        apart = unlike(thumbs[others], thumbs[picture])
        if others and apart.min() < APART:
            near[picture] = others[int(apart.argmin())]
        else:
            kept.setdefault(own, []).append(picture)
    return exact, near
