"""Your own images: all image files below a folder, a tenth of them held out.

    python train.py --config=configs/folder.py --config.data.root=/path/to/pictures

The config is for some thousands of photographs and one GPU: half the net's width, crops
of 112 pixels from images of 128. On a CPU use --config.method.width=0.25 and fewer
steps. A hash of its name decides whether an image is held out, so its role does not
change when you add others.
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
                cache="runs/image-cache",
            ),
            method=dict(name="zhang2016", width=0.5, mix=0.5, dtype="float32"),
            optimizer=dict(learning_rate=1e-3, decay="cosine", warmup=500),
            step=dict(),
            checkpoint=dict(every=1000, keep=2),
            evaluation=dict(every=5000),
        )
    )
