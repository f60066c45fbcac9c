"""CycleGAN on ImageNet: color without pairs, 256 pixels, batch 1.

    python train.py --config=configs/cyclegan.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. The config is
for one accelerator of 16 GB. It has not run yet, so there is no result to expect. The
method sees one half of the images in grey only, the other half in color. To learn from
old photographs instead:

    --config.data.halves=False --config.data.other_root=FOLDER

Source: Zhu et al., ICCV 2017, section 4 and appendix 7: least squares, lambda 10,
identity loss, a pool of 50, nine residual blocks, Adam 2e-4, .5/.999, linear decay over
the second half. The paper trains 200 epochs on sets of some thousand images; this is
one epoch of ImageNet.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    steps = 640_000
    return ConfigDict(
        dict(
            seed=0,
            steps=steps,
            batch=1,
            init_from="",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                test_split="validation[:10000]",
                halves=True,
                resize=256,
                crop=256,
                workers=4,
            ),
            method=dict(name="cyclegan", dtype="float32"),
            optimizer=dict(
                learning_rate=2e-4, decay="linear", hold=steps // 2, b1=0.5, b2=0.999
            ),
            step=dict(),
            checkpoint=dict(every=5000, keep=2),
            evaluation=dict(every=50_000, batch=40),
        )
    )
