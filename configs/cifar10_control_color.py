"""All conditions on CIFAR-10: hints, an exemplar's colors and text, on 2 cores.

    python train.py --config=configs/cifar10_control_color.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `cifar10` in ArrayRecord form. The net is that of
configs/cifar10_palette.py, and attends to words: a class and a color. Training takes
less than an hour on 2 cores. docs/results/control_color.md shows what to expect.
"""

from ml_collections import ConfigDict

from configs import cifar10_palette

NOUNS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def get_config() -> ConfigDict:
    config = cifar10_palette.get_config()
    config.steps = 7_000
    config.method = ConfigDict(
        dict(
            name="control_color",
            net="transformer",
            width=0.25,
            net_options=dict(depth=4, patch=2),
            stride=2,
            noise=(1.0, 1.6),
            text_encoder="use",
            nouns=NOUNS,
            hint_side=3,
            guidance=3.0,
            steps=12,
            ema=0.0,
            dtype="float32",
        )
    )
    return config
