"""The first stage of Zhang et al. 2017 on ImageNet: no hints, 15 epochs at 1e-4.

    python train.py --config=configs/zhang2017_automatic.py --config.data.data_dir=DIR

`configs/zhang2017.py` is the second stage and describes both.
"""

from ml_collections import ConfigDict

from configs import zhang2017


def get_config() -> ConfigDict:
    config = zhang2017.get_config()
    config.init_from = ""
    config.method.stage = "automatic"
    config.optimizer = ConfigDict(dict(learning_rate=1e-4))
    return config
