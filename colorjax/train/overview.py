"""The parameters of networks as text: `describe_parameters`."""

from collections.abc import Iterator
from typing import Any

import jax

from colorjax.method import Nets


def describe_parameters(nets: Nets) -> str:
    """A line for each net and each of its modules: name, shapes, number of parameters.

    The arrays may be abstract.
    """
    return "\n".join(line for name in nets for line in _describe(name, nets[name]))


def _describe(name: str, collections: dict[str, Any]) -> Iterator[str]:
    modules = collections["params"]
    yield f"parameters of {name}: {_count(modules) / 1e6:.2f} M"
    width = max(map(len, modules), default=0)
    for module, arrays in modules.items():
        yield f"  {module:<{width}} {_count(arrays):>10,}  {_shapes(arrays)}"


def _shapes(arrays: Any) -> str:
    leaves = jax.tree.leaves(arrays)
    if len(leaves) > 2:
        return f"{len(leaves)} arrays"
    return ", ".join("x".join(map(str, leaf.shape)) for leaf in leaves)


def _count(arrays: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(arrays))
