"""CIFAR-10 at 32 pixels: small enough to compare methods in minutes on 2 cores.

    python train.py --config=configs/cifar10.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `cifar10` in ArrayRecord form. With a quarter of the
net's width, a run takes about ten minutes on 2 cores. docs/results/cifar10.md shows
what to expect. --config.method.mix=1 is the paper's plain classification.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=700,
            batch=128,
            init_from="",
            data=dict(
                name="cifar10",
                data_dir=config_dict.placeholder(str),
                test_split="test[:5000]",
                resize=32,
                crop=32,
                workers=0,
            ),
            method=dict(name="zhang2016", width=0.25, mix=0.5, dtype="float32"),
            optimizer=dict(learning_rate=7e-4, decay="cosine", warmup=50),
            step=dict(),
            checkpoint=dict(every=500, keep=2),
            evaluation=dict(every=0, batch=250),
        )
    )
