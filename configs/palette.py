"""Palette as published: ImageNet at 256 pixels, batch 1024, a million steps.

    python train.py --config=configs/palette.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. Nobody has
trained this config, and few can. One image is 2.2 TFLOP forward, so the billion images
of the recipe are 6.8e21 FLOP: 650 days of one accelerator at 120 TFLOP/s, or eight days
of 80. A sample is 1000 evaluations of the net, 2.2 PFLOP. See `configs/palette_ab.py`
for a recipe that takes a night.

Source: Saharia et al., SIGGRAPH 2022, section 3 and table 5: the U-Net of ADM without
its classes, 552 M parameters; RGB; L2 on the noise; Adam at a fixed 1e-4 after a
warm-up of 10,000 steps; the mean of the parameters with a decay of .9999; crops that
are the largest square at a random place. The released results keep the L of the sample.
Ours, like those of all methods here, keep the L of the image.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=1_000_000,
            batch=1024,
            init_from="",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                test_split="validation[:10000]",
                resize=256,
                crop=256,
                workers=32,
            ),
            method=dict(
                name="palette",
                net="unet",
                space="rgb",
                stride=1,
                objective="epsilon",
                noise="palette",
                loss="l2",
                sampler="ancestral",
                steps=1000,
                ema=0.9999,
                net_options=dict(remat=True),
                dtype="bfloat16",
            ),
            optimizer=dict(learning_rate=1e-4, warmup=10_000),
            step=dict(),
            checkpoint=dict(every=2000, keep=2),
            evaluation=dict(every=0, batch=64),
        )
    )
