"""pix2pix on CIFAR-10: `configs/cifar10.py` with another method.

python train.py --config=configs/cifar10_pix2pix.py --config.data.data_dir=DIR
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps = 3000
    config.batch = 32
    config.method = ConfigDict(
        dict(
            name="pix2pix",
            width=0.5,
            depth=4,
            patch_layers=2,
            l1=100.0,
            dtype="float32",
        )
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
    return config
