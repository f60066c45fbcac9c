"""The paper's recipe: ImageNet, batch 40, crops of 176 out of 256, 450,000 steps.

    python train.py --config=configs/imagenet.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. One accelerator
of 16 GB is enough. Expect the results of the paper's table 1: an AuC of .895,
rebalanced .673; with --config.method.mix=1, the plain classification, .916 and .651.

Source: section 2 of the paper and the released solver: Adam .9/.99 with a coupled L2 of
1e-3 on every parameter, 3e-5, from 200,000 steps on 1e-5, from 375,000 on 3e-6.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=450_000,
            batch=40,
            init_from="",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                test_split="validation[:10000]",
                resize=256,
                crop=176,
                workers=8,
            ),
            method=dict(name="zhang2016", width=1.0, mix=0.5, dtype="float32"),
            optimizer=dict(
                learning_rate=3e-5,
                boundaries=((200_000, 1e-5), (375_000, 3e-6)),
                b1=0.9,
                b2=0.99,
                weight_decay=1e-3,
                decoupled=False,
            ),
            step=dict(),
            checkpoint=dict(every=2000, keep=2),
            evaluation=dict(every=50_000, batch=40),
        )
    )
