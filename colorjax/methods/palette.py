"""Color by diffusion: Palette, and its descendants as options.

Source: Saharia et al., "Palette: Image-to-Image Diffusion Models", SIGGRAPH 2022. From
noise and L, a net is asked again and again for the image, with less noise each time.
The result is a sample of the images that have this L, so another key gives other
colors.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.method import Method, Prediction
from colorjax.methods import _denoising
from colorjax.methods._denoising import Seen
from colorjax.methods._encoder import make_encoder


def build(
    *,
    prior: Float[np.ndarray, "313"] | None = None,
    net: Literal["unet", "transformer"] = "unet",
    width: float = 1.0,
    net_options: dict[str, Any] | None = None,
    encoder: Literal["", "efficientnet_lite0", "vgg_dilated"] = "",
    encoder_width: float = 1.0,
    features: int = 64,
    frozen: bool = False,
    space: Literal["ab", "rgb"] = "ab",
    stride: Literal[1, 2, 4] = 1,
    objective: Literal["edm", "epsilon"] = "edm",
    noise: Literal["palette"] | Sequence[float] = (1.0, 1.6),
    loss: Literal["l2", "l1"] = "l2",
    sampler: Literal["dpmpp_2m", "heun", "ddim", "ancestral"] = "dpmpp_2m",
    steps: int = 12,
    ema: float = 0.9999,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Method:
    """The method; `prior` is not used. The nets compute in `dtype`.

    The net "unet" is the paper's, "transformer" is for small machines. `width` scales
    its channels; `net_options` are others of `DiffusionUNet` or `PatchTransformer`. An
    `encoder` of `make_encoder`, with `encoder_width` and `frozen`, gives it `features`
    of L. `init_from` starts the encoder from a run of zhang2016.

    `space` "rgb" is the paper's. "ab" makes ab alone, at 1 / `stride` of the
    resolution. `objective` is what the net predicts, "epsilon" in the paper. `noise` is
    the paper's, or mean and standard deviation of ln sigma, for an ab of unit variance.
    Large images need a larger mean: more noise hides the hue of a large region. `loss`
    "l1" is an ablation of the paper, whose colors are less diverse.

    `sampler` has `steps` steps. "ancestral" with the paper's noise goes down the
    paper's schedule, which has 1000, all others down EDM's. `ema` is the decay of the
    mean of the parameters that predicts; without a mean it is 0.

    Raises `UserError` where a value is out of range.
    """
    del prior
    kind = jnp.dtype(dtype)
    own = make_encoder(encoder, encoder_width, features, frozen, kind)
    shared = net, width, net_options or {}, own, kind, stride, noise, sampler, steps
    published = objective, loss == "l1", space == "rgb"
    model = _denoising.make_denoising(*shared, *published)
    return Method(
        partial(_init, model),
        {"G": partial(_loss, model)},
        partial(_infer, model),
        stochastic=True,
        ema={"G": ema} if ema else {},
        options=frozenset({"sampler", "steps"}),
    )


def _init(model, key, examples):
    return _denoising.init(model, key, examples, Seen(examples["lightness"]))


def _loss(model, params, nets, examples, key):
    seen = Seen(examples["lightness"])
    return _denoising.loss(model, params, nets, examples, seen, key)


def _infer(model, nets, inputs, keys):
    seen = Seen(inputs["lightness"])
    return Prediction(_denoising.sample_ab(model, nets, seen, keys))
