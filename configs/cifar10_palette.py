"""Palette on CIFAR-10: `configs/cifar10.py` by diffusion.

    python train.py --config=configs/cifar10_palette.py --config.data.data_dir=DIR

The net is a transformer of a million parameters, because a CPU multiplies matrices
several times as fast as it convolves. It makes ab at half the resolution, in patches of
2x2 positions, which are 4x4 pixels of the image. Training takes about ten minutes on 2
cores. docs/results/cifar10.md shows what to expect.

The learning rate falls to 0. This does what a mean of the parameters does at a constant
rate, so there is no such mean.
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps = 2400
    config.batch = 64
    config.method = ConfigDict(
        dict(
            name="palette",
            net="transformer",
            width=0.25,
            net_options=dict(depth=4, patch=2),
            stride=2,
            noise=(1.0, 1.6),
            steps=12,
            ema=0.0,
            dtype="float32",
        )
    )
    config.optimizer = ConfigDict(
        dict(learning_rate=2e-3, decay="cosine", warmup=50, b2=0.99)
    )
    return config
