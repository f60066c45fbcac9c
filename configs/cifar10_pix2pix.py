"""pix2pix on CIFAR-10: `configs/cifar10.py` with another method.

    python train.py --config=configs/cifar10_pix2pix.py --config.data.data_dir=DIR

At 32 pixels the U-Net has four halvings, and a patch has 34 pixels. The U-Net has batch
normalization, because instance normalization would remove most of the information in
2x2 pixels. To fine-tune the run of configs/cifar10.py with a discriminator:

    --config.init_from=runs/cifar10 --config.method.generator=vgg_dilated \\
        --config.method.width=0.25 --config.steps=800 \\
        --config.optimizer.hold=400 --config.optimizer.learning_rate=1e-4
"""

from ml_collections import ConfigDict

from configs import cifar10


def get_config() -> ConfigDict:
    config = cifar10.get_config()
    config.steps = 2000
    config.batch = 32
    config.method = ConfigDict(
        dict(
            name="pix2pix",
            width=0.5,
            depth=4,
            norm="batch",
            dropout=0.2,
            patch_layers=2,
            l1=100.0,
            dtype="float32",
        )
    )
    config.optimizer = ConfigDict(
        dict(
            learning_rate=5e-4,
            decay="linear",
            hold=config.steps // 2,
            b1=0.5,
            b2=0.999,
        )
    )
    config.evaluation.every = 1000
    return config
