"""Finds images that repeat others, by hashes and thumbnails: `find_repetitions`.

The thresholds were set like those in `checks`.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

STEP = 1.0  # grey levels between neighbors that count as a slope
RADIUS, APART = 11, 0.4  # bits and distance below which two images look alike
NEAREST, COMPARED = 32, 256  # bounds on the comparisons where all images look alike


def slopes(thumbs: UInt8[np.ndarray, "n 16 16 3"]) -> Bool[np.ndarray, "n 128"]:
    """A difference hash: where grey rises to the right and downwards, on an 8x8 grid.

    Source: N. Krawetz, "Kind of Like That", 2013, which uses one direction.
    """
    grey = thumbs.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = grey.reshape(-1, 8, 2, 8, 2).mean((2, 4))
    rises = [np.roll(grey, -1, axis) - grey > STEP for axis in (1, 2)]
    return np.concatenate([r.reshape(len(grey), -1) for r in rises], axis=1)


def similar_pairs(
    bits: Bool[np.ndarray, "n bits"], radius: int = RADIUS
) -> tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Pairs i < j of rows that differ in at most `radius` bits.

    The bits are split into `radius` + 1 parts. Two such rows are equal in one part at
    least, so only rows with an equal part are compared. A row keeps its `NEAREST` rows
    for each part, so that memory is linear in the number of rows.
    """
    packed = np.packbits(bits, axis=1).view(np.uint64)
    pairs = [np.empty((0, 2), np.int64)]
    for part in np.array_split(bits, radius + 1, axis=1):
        values = part @ (1 << np.arange(part.shape[1]))
        order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.diff(values[order])) + 1
        for group in np.split(order, starts):
            for position, i in enumerate(group[:-1]):
                rest = group[position + 1 :]
                distance = np.bitwise_count(packed[rest] ^ packed[i]).sum(1)
                near = rest[distance <= radius]
                if len(near) > NEAREST:
                    near = rest[np.argsort(distance, kind="stable")[:NEAREST]]
                pairs.append(np.column_stack([np.full(len(near), i), near]))
    first, second = np.unique(np.concatenate(pairs), axis=0).T
    return first, second


def distances(
    thumbs: UInt8[np.ndarray, "n 16 16 3"], thumb: UInt8[np.ndarray, "16 16 3"]
) -> Float[np.ndarray, "n"]:
    """The distance of thumbnails from another one, in [0, 2].

    It is the root mean square after normalizing exposure and contrast.
    """

    def normalize(x):
        x = x.reshape(len(x), thumb.size).astype(np.float32)
        x = x - x.mean(1, keepdims=True)
        return x / np.maximum(np.sqrt(np.square(x).mean(1, keepdims=True)), 1e-6)

    return np.sqrt(np.square(normalize(thumbs) - normalize(thumb[None])).mean(1))


def find_repetitions(
    digests: list[bytes], thumbs: UInt8[np.ndarray, "n 16 16 3"]
) -> tuple[dict[int, int], dict[int, int]]:
    """Images that repeat an earlier one exactly, and those that look like one.

    Both are by index, with the index of the earlier image, which is no repetition
    itself.
    """
    first: dict[bytes, int] = {}
    exact = {}
    for i, digest in enumerate(digests):
        if first.setdefault(digest, i) != i:
            exact[i] = first[digest]
    rest = np.array([i for i in range(len(digests)) if i not in exact], np.int64)
    bits, group = np.unique(slopes(thumbs[rest]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    neighbors: dict[int, list[int]] = {}
    for i, j in zip(*similar_pairs(bits), strict=True):
        neighbors.setdefault(int(i), []).append(int(j))
        neighbors.setdefault(int(j), []).append(int(i))
    near: dict[int, int] = {}
    originals: dict[int, list[int]] = {}  # images that repeat none, by their hash
    for position, image in enumerate(rest.tolist()):
        own = int(group[position])
        hashes = (own, *neighbors.get(own, ()))
        others = [i for h in hashes for i in originals.get(h, ())][:COMPARED]
        distance = distances(thumbs[others], thumbs[image])
        if others and distance.min() < APART:
            near[image] = others[int(distance.argmin())]
        else:
            originals.setdefault(own, []).append(image)
    return exact, near
