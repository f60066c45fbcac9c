"""The starter's net with inputs for hints.

    colorjax convert efficientnet-lite0-57934424.pth --out runs/lite0
    python train.py --config=configs/starter_hints.py --config.init_from=runs/lite0

It differs from `configs/starter.py` only in the hints. At each scale of the decoder, a
convolution of the hints at that scale is added to the features. The convolution starts
at zero. Training draws 7 hints an image on average from the image's true colors, as
Zhang et al. 2017 do.
"""

from ml_collections import ConfigDict

from configs import starter


def get_config() -> ConfigDict:
    config = starter.get_config()
    config.method.hint_count = 7.0
    return config
