"""What a run says when it starts: `describe_parameters`, `cpu_warning`, `COMPILING`."""

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
