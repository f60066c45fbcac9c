"""The paper's L2 baseline on CIFAR-10: `configs/cifar10.py` with another method.

    python train.py --config=configs/cifar10_regression.py --config.data.data_dir=DIR

With --config.init_from=runs/cifar10 it is the paper's "L2, fine-tuned".
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.method = ConfigDict(dict(name="regression", width=0.25, dtype="float32"))
    return config
