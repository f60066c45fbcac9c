"""The parameters of networks as text: `describe_parameters`."""

from typing import Any

import jax

from colorjax.method import Nets


def describe_parameters(nets: Nets) -> str:
    """A line for each net and each of its modules: name, shapes, number of parameters.

    The arrays may be abstract.
    """
    lines = []
    for name, collections in nets.items():
        modules = collections["params"]
        width = max(map(len, modules), default=0)
        lines.append(f"parameters of {name}: {_count(modules) / 1e6:.2f} M")
        for module, arrays in modules.items():
            count = f"{_count(arrays):>10,}"
            lines.append(f"  {module:<{width}} {count}  {_shapes(arrays)}")
    return "\n".join(lines)


def _shapes(arrays: Any) -> str:
    leaves = jax.tree.leaves(arrays)
    if len(leaves) > 2:
        return f"{len(leaves)} arrays"
    return ", ".join("x".join(map(str, leaf.shape)) for leaf in leaves)


def _count(arrays: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(arrays))
