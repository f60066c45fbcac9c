"""What a run says when it starts: `describe_parameters`, `cpu_warning`, `COMPILING`."""

from collections.abc import Iterator
from typing import Any

import jax

from colorjax.method import Nets

COMPILING = (
    "compiling the training step: about a minute, or seconds if an earlier start of "
    "the same config has stored it"
)
CPU_PIXELS = 2e9  # in all crops of a run; the quick config has a tenth of it


def cpu_warning(config: dict[str, Any], crop: int) -> str | None:
    """A warning if a run that is made for a GPU starts on a CPU, else None.

    `crop` is the side of the training crops, in pixels.
    """
    steps, batch = config["steps"], config["batch"]
    if jax.default_backend() != "cpu" or steps * batch * crop**2 <= CPU_PIXELS:
        return None
    return (
        f"this config is made for a GPU, and JAX finds only a CPU, where {steps:,} "
        f"steps of {batch} crops of {crop} pixels take many hours or days; set fewer "
        "steps, a smaller batch or a smaller method.width, or use configs/starter.py"
    )


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
