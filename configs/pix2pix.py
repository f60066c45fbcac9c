"""pix2pix on ImageNet with its paper's colorization settings: batch 4, 256 pixels.

    python train.py --config=configs/pix2pix.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. The config is
for one accelerator of 16 GB and six epochs. It has not run yet, so there is no result
to expect. To fine-tune a run of configs/imagenet.py with a discriminator, which needs
fewer steps and a smaller rate:

    --config.init_from=runs/imagenet --config.method.generator=vgg_dilated \\
        --config.method.l1=10.0 --config.optimizer.learning_rate=2e-5

Source: Isola et al., CVPR 2017, section 3.3 and appendix 6.2: Adam 2e-4, .5/.999, the
U-Net of eight halvings, 70x70 PatchGAN, 100 L1, mirrored images; the linear decay of
its PyTorch code over the second half.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    steps = 1_920_000
    return ConfigDict(
        dict(
            seed=0,
            steps=steps,
            batch=4,
            init_from="",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                test_split="validation[:10000]",
                resize=256,
                crop=256,
                workers=8,
            ),
            method=dict(name="pix2pix", dtype="float32"),
            optimizer=dict(
                learning_rate=2e-4, decay="linear", hold=steps // 2, b1=0.5, b2=0.999
            ),
            step=dict(),
            checkpoint=dict(every=5000, keep=2),
            evaluation=dict(every=100_000, batch=40),
        )
    )
