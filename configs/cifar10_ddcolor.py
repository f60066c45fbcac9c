"""DDColor on CIFAR-10: `configs/cifar10.py` with another method.

    python train.py --config=configs/cifar10_ddcolor.py --config.data.data_dir=DIR

The net has a quarter of the width of DDColor-T, 32 queries and 3 layers. Nothing starts
from published weights, so the learning rate is higher than the authors'. The perceptual
term is off, because VGG-16 costs more than all the rest. docs/results/ddcolor.md shows
what to expect.
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps = 2000
    config.batch = 64
    config.method = ConfigDict(
        dict(
            name="ddcolor",
            width=0.25,
            queries=32,
            layers=3,
            perceptual=0.0,
            critic_blocks=2,
            dtype="float32",
        )
    )
    config.optimizer = ConfigDict(
        dict(
            learning_rate=5e-4,
            decay="cosine",
            warmup=100,
            b2=0.99,
            weight_decay=0.01,
        )
    )
    return config
