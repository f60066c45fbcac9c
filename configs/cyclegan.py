"""CycleGAN on ImageNet: colour without pairs, 256 pixels, batch 1.

    python train.py --config=configs/cyclegan.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form; for one
accelerator of 16 GB. One half of its pictures is seen in grey only, the other half in
colour. With old photographs, give them instead:
--config.data.halves=False --config.data.other_root=FOLDER. Not yet run: no result to
expect.

Source: Zhu et al., ICCV 2017, section 4 and appendix 7: least squares, lambda 10,
identity loss, a pool of 50, nine residual blocks, Adam 2e-4, .5/.999, linear decay over
the second half. The paper's sets have some thousand pictures and 200 epochs; this is
one epoch of ImageNet's.
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
