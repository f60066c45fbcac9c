"""DeOldify with published weights: `load_deoldify`.

The author publishes three files for PyTorch: ColorizeArtistic_gen.pth of the deep form,
ColorizeStable_gen.pth and ColorizeVideo_gen.pth of the wide form.

Source: the layers and filters in github.com/jantic/DeOldify.
"""

from pathlib import Path

import jax
import jax.numpy as jnp

from colorjax.nets.deoldify import DeOldify
from colorjax.nets.resnet_features import CHANNELS
from colorjax.pretrained.torch_layers import load_layers, unwrapped
from colorjax.pretrained.weights import Published, Reader, Weights

LAYOUT = "that of DeOldify for PyTorch"
LICENSE = "MIT, (c) 2018 Jason Antic, of the code and of the weights"
SIDE, VIDEO_SIDE = 560, 336  # the author's render factors, 35 and 21, times 16
DEEP = "layers.4.conv1.0.weight_orig"  # only the deep form has it
MARK = r"(model\.)?layers\.4\.shuf\."  # a name begins so in such a file
UP = 4  # the place of the first block on the way up

STAGES = [  # the stages of the encoder: their blocks
    (rf"encoder/stage{stage}_block(\d+)/", rf"layers.0.{stage + 3}.\1.")
    for stage in (1, 2, 3, 4)
]
KEYS = (  # how the names of our layers begin, and those in the file
    (r"encoder/stem/", r"layers.0.0."),
    (r"encoder/stem_norm/", r"layers.0.1."),
    *((ours + r"conv(\d)/", theirs + r"conv\2.") for ours, theirs in STAGES),
    *((ours + r"conv(\d)_norm/", theirs + r"bn\2.") for ours, theirs in STAGES),
    *((ours + r"down/", theirs + r"downsample.0.") for ours, theirs in STAGES),
    *((ours + r"down_norm/", theirs + r"downsample.1.") for ours, theirs in STAGES),
    (r"norm/", r"layers.1."),
    (r"middle1/", r"layers.3.0.0."),
    (r"middle1_norm/", r"layers.3.0.2."),
    (r"middle2/", r"layers.3.1.0."),
    (r"middle2_norm/", r"layers.3.1.2."),
    (r"shuffle/", r"layers.8.conv.0."),
    (r"cross1/", r"layers.10.layers.0.0."),
    (r"cross2/", r"layers.10.layers.1.0."),
    (r"head/", r"layers.11.0."),
)
BLOCK_KEYS = (
    (r"shuffle/", r"shuf.conv.0."),
    (r"shuffle_norm/", r"shuf.conv.1."),
    (r"skip_norm/", r"bn."),
)
FORM_KEYS = {  # the convolutions of a block on the way up
    "deep": (
        (r"conv(\d)/", r"conv\1.0."),
        (r"conv(\d)_norm/", r"conv\1.2."),
        (r"attention/(query|key|value)/", r"conv2.3.\1."),
        (r"attention/gamma", r"conv2.3.gamma"),
    ),
    "wide": (
        (r"conv1/", r"conv.0."),
        (r"conv1_norm/", r"conv.2."),
        (r"attention/(query|key|value)/", r"conv.3.\1."),
        (r"attention/gamma", r"conv.3.gamma"),
    ),
}


def load_deoldify(weights: Weights) -> Published:
    """The net in one of the author's files, or a narrower one of the same layout.

    Spectral and weight normalization are folded into the kernels. Raises `UserError`,
    naming the tensor, where one is missing, unknown, of another shape or not finite.
    """
    tensors = unwrapped(weights.tensors)
    reader = Reader(weights._replace(tensors=tensors), "DeOldify")
    form = "deep" if DEEP in tensors else "wide"
    width = reader.shape("layers.0.0.weight")[0] / CHANNELS
    blocks = [
        (f"up{number}/{ours}", f"layers.{number + UP}.{theirs}")
        for number in range(4)
        for ours, theirs in (*BLOCK_KEYS, *FORM_KEYS[form])
    ]
    lightness = jax.ShapeDtypeStruct((1, 32, 32, 1), jnp.float32)
    shapes = jax.eval_shape(DeOldify(form, width).init, jax.random.key(0), lightness)
    keys = (*KEYS, *blocks)
    variables = {kind: load_layers(reader, shapes[kind], keys) for kind in shapes}
    reader.finish()
    side = VIDEO_SIDE if "video" in Path(weights.path).name.lower() else SIDE
    return Published(
        layout=LAYOUT,
        license=LICENSE,
        variables=variables,
        method=dict(name="deoldify", form=form, width=width, square=True),
        side=side,
        conventions={
            "input": "luma as R, G and B, by the mean and deviation of ImageNet; here "
            "the grey of L, which is the same for a grey picture",
            "kernels": "with their spectral and weight normalization applied",
            "decoding": "RGB; only its ab is used, with the exact L of the picture",
            "size": f"squares of {side} pixels, aspect not kept (render factor "
            f"{side // 16})",
            "joining": "in YUV of 8 bits; here in Lab, ab along the edges of L",
        },
    )
