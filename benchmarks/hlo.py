"""Reading a program that XLA has optimized, as the text that `as_text()` gives:
`exchanged`, `collectives`, `offenders`, `memory_traffic`."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

SMALL = 16 * 1024  # values; BatchNorm's moments are vectors of 512 at most
ARRAY = re.compile(r"\b([a-z]+\d+|pred)\[([\d,]*)\](?:\{([^}]*)\})?")
NO_TRAFFIC = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
INSTRUCTION = re.compile(r"%(\S+) = (.*?) ([a-z-]+)\((.*?)\)")
COLLECTIVE = re.compile(
    r"%(\S+) = (.*?) ((?:all-reduce|all-gather|reduce-scatter|all-to-all|ragged-all"
    r"-to-all|collective-permute|collective-broadcast)(?:-start)?)\("
)


class Exchanged(NamedTuple):
    """An array in a collective of an optimized program."""

    collective: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * _width(self.dtype)

    @property
    def small(self) -> bool:
        """Whether it is of no weight, as BatchNorm's moments are."""
        return math.prod(self.shape) <= SMALL

    def __str__(self):
        return f"{self.collective} of {self.dtype}{list(self.shape)}"


def _width(dtype: str) -> int:
    return -(-int(re.sub(r"\D", "", dtype) or 8) // 8)  # "pred" has no number


def _arrays(text: str) -> Iterator[tuple[str, tuple[int, ...], str]]:
    for dtype, shape, layout in ARRAY.findall(text):
        yield dtype, tuple(int(n) for n in shape.split(",") if n), layout


def exchanged(hlo: str) -> list[Exchanged]:
    """Every array in a collective of an optimized program, in its order."""
    return [
        Exchanged(operation.removesuffix("-start"), dtype, shape)
        for _, result, operation in COLLECTIVE.findall(hlo)
        for dtype, shape, _ in _arrays(result)
    ]


def collectives(hlo: str) -> int:
    """How many collectives an optimized program has; one may exchange many arrays."""
    return len(COLLECTIVE.findall(hlo))


def offenders(arrays: list[Exchanged], parameters: list[tuple[int, ...]]) -> list[str]:
    """What is exchanged but is no gradient, and which gradients are not; by name.

    An all-reduced array is a gradient, or a part of one, if its two largest axes are
    those of a parameter and it has no more values than are left of that. What is small
    is let pass.
    """

    def axes(shape):
        return sorted(shape)[-2:]

    left = {n: math.prod(shape) for n, shape in enumerate(parameters)}
    left = {n: size for n, size in left.items() if size > SMALL}
    wrong = []
    # The largest first, so that a part never takes the place of a whole.
    for array in sorted(arrays, key=lambda array: array.bytes, reverse=True):
        size = math.prod(array.shape)
        own = [
            n
            for n, rest in left.items()
            if axes(parameters[n]) == axes(array.shape) and rest >= size
        ]
        if array.small:
            continue
        if own and array.collective == "all-reduce":
            closest = min(own, key=left.get)
            left[closest] -= size
        else:
            wrong.append(str(array))
    missing = [parameters[n] for n, rest in left.items() if rest]
    return wrong + [f"no all-reduce of the gradient {list(s)}" for s in missing]


def memory_traffic(hlo: str) -> int:
    """Bytes to and from HBM: what the entry's instructions read and write there.

    XLA's own count, "bytes accessed", has the traffic within a chip in it.
    """
    held, total = {}, 0
    for line in hlo[hlo.index("\nENTRY ") :].splitlines():
        found = INSTRUCTION.search(line)
        if not found:
            continue
        name, result, operation, operands = found.groups()
        sizes = {True: 0, False: 0}  # by whether it is in HBM
        for dtype, shape, layout in _arrays(result):
            sizes["S(" not in layout] += math.prod(shape) * _width(dtype)
        held[name] = sizes[True]
        if operation.endswith("-done"):  # a copy to or from memory on the chip
            total += sum(sizes.values())
        elif not operation.endswith("-start") and operation not in NO_TRAFFIC:
            read = re.findall(r"%([\w.-]+)", operands)
            total += held[name] + sum(held.get(operand, 0) for operand in read)
    return total
