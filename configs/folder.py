"""Your own pictures: every file below a folder, a tenth of them held out.

    python train.py --config=configs/folder.py --config.data.root=/path/to/pictures

Made for some thousands of photographs and one GPU: half the net's width, crops of 112
of pictures of 128 pixels. On a CPU take --config.method.width=0.25 and fewer steps.
Which pictures are held out is decided by a hash of their names, so it stays when you
add some.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=20_000,
            batch=64,
            init_from="",
            data=dict(
                root=config_dict.placeholder(str),
                holdout="hash",
                resize=128,
                crop=112,
                workers=4,
            ),
            method=dict(name="zhang2016", width=0.5, mix=0.5, dtype="float32"),
            optimizer=dict(learning_rate=1e-3, decay="cosine", warmup=500),
            step=dict(),
            checkpoint=dict(every=1000, keep=2),
            evaluation=dict(every=5000),
        )
    )
