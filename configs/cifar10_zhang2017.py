"""Hints on CIFAR-10: a net that takes them, in minutes on 2 cores.

    python train.py --config=configs/cifar10_zhang2017.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `cifar10` in ArrayRecord form. The net is that of
Zhang et al. 2017, a quarter as wide. It learns from scratch, with hints from the first
step. Hints are at most 3 pixels wide, because the images have 32. Training takes about
five minutes on 2 cores; docs/guide.md shows what to expect.
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps, config.batch = 600, 64
    config.method = ConfigDict(
        dict(name="zhang2017", width=0.25, hints="local", hint_side=3, dtype="float32")
    )
    return config
