"""Colors by a person's hints: the second stage of Zhang et al. 2017 on ImageNet.

    python train.py --config=configs/zhang2017_automatic.py --config.data.data_dir=DIR
    python train.py --config=configs/zhang2017.py --config.data.data_dir=DIR

The first command trains the first stage, from which the second starts. DIR (or
$TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. Neither command has been
run. With --config.method.hints=globe the net takes the histogram of an image instead of
hints at places.

Source: the paper, and the authors' training code (colorization-pytorch): batches of 25
crops of 176 out of 256, 10 epochs at 1e-5 and 5 at 1e-6, after 15 of the first stage.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=768_000,
            batch=25,
            init_from="runs/zhang2017_automatic",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                test_split="validation[:10000]",
                resize=256,
                crop=176,
                workers=8,
            ),
            method=dict(
                name="zhang2017",
                hints="local",
                stage="guided",
                mask_center=0.5,
                dtype="float32",
            ),
            optimizer=dict(learning_rate=1e-5, boundaries=((512_000, 1e-6),)),
            step=dict(),
            checkpoint=dict(every=2000, keep=2),
            evaluation=dict(every=50_000, batch=25),
        )
    )
