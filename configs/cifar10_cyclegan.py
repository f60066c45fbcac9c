"""CycleGAN on CIFAR-10: `configs/cifar10.py` with another method, without pairs.

    python train.py --config=configs/cifar10_cyclegan.py --config.data.data_dir=DIR

The method sees one half of the train split in grey only, the other half in color.
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps = 4000
    config.batch = 4
    config.data.halves = True
    config.method = ConfigDict(
        dict(name="cyclegan", width=0.25, blocks=3, patch_layers=2, dtype="float32")
    )
    config.optimizer = ConfigDict(
        dict(
            learning_rate=2e-4,
            decay="linear",
            hold=config.steps // 2,
            b1=0.5,
            b2=0.999,
        )
    )
    config.evaluation.every = 2000
    return config
