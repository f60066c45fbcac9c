"""The paper's baseline: its net, trained to regress ab with the L2 loss (eq. 1).

Source: Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016. With `init_from`
a classification run it is the paper's "L2, fine-tuned".
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.method import Method, Prediction
from colorjax.methods.zhang2016 import colorful_mask
from colorjax.nets.layers import apply_eval, apply_train, upsample
from colorjax.nets.vgg_dilated import SCALE, VGGDilated

AB_UNIT = 50.0  # ab units that are 1 in the net's output


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    width: float = 1.0,
    remat: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. `width`, `remat` and `dtype` as in zhang2016.

    The loss is half the squared distance in units of `AB_UNIT`, summed over every
    fourth pixel of an image.
    """
    del prior
    net = VGGDilated(2, width, head_scale=0.1, remat=remat, dtype=jnp.dtype(dtype))

    def init(key, examples):
        return {"G": dict(net.init(key, examples["lightness"], train=True))}

    def loss(params, nets, examples, key):
        variables = {**nets["G"], "params": params}
        output, updates = apply_train(net, variables, examples["lightness"])
        target = examples["ab"][:, ::SCALE, ::SCALE] / AB_UNIT
        error = 0.5 * jnp.square(output.astype(jnp.float32) - target).sum(-1)
        counted = colorful_mask(examples)[:, None, None]
        total = (counted * error).sum()
        pixels = counted.sum() * error[0].size
        metrics = {"loss": total / jnp.maximum(pixels, 1)}
        return total / len(counted), ({"G": updates}, metrics)

    def infer(nets, inputs, keys):
        output = apply_eval(net, nets["G"], inputs["lightness"])
        return Prediction(upsample(AB_UNIT * output, SCALE))

    return Method(init, {"G": loss}, infer)
