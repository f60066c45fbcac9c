"""DDColor on ImageNet with its authors' settings: batch 16, 256 pixels, 400,000 steps.

    colorjax convert convnext_tiny_22k_224.pth --out runs/convnext
    python train.py --config=configs/ddcolor.py --config.init_from=runs/convnext \\
        --config.data.data_dir=DIR --config.method.vgg=vgg16_bn-6c64b313.pth

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. For DDColor-L
also give --config.method.encoder=large and convert convnext_large_22k_224.pth. Without
`vgg` the perceptual term uses VGG-16 without BatchNorm, which the extra `lpips` has. To
fine-tune a published file on your own photographs:

    colorjax convert ddcolor_paper_tiny.safetensors --out runs/ddcolor
    python train.py --config=configs/ddcolor.py --config.init_from=runs/ddcolor \\
        --config.data.name=None --config.data.root=FOLDER --config.steps=5000 \\
        --config.method.spectral=False --config.optimizer.boundaries="()"

The config has not run yet, so there is no result to expect.

Source: options/train/train_ddcolor.yml in github.com/piddnad/DDColor: AdamW 1e-4,
.9/.99, decay .01, halved every 40,000 steps from 80,000. The authors' discriminator has
no weight decay. Here it has weight decay, which changes only the length of kernels that
spectral normalization divides anyway. The authors squeeze images into squares; here
crops are squares.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    rate, milestones = 1e-4, range(80_000, 400_000, 40_000)
    return ConfigDict(
        dict(
            seed=0,
            steps=400_000,
            batch=16,
            init_from="",
            data=dict(
                name="imagenet2012",
                data_dir=config_dict.placeholder(str),
                root=config_dict.placeholder(str),
                test_split="validation[:10000]",
                resize=256,
                crop=256,
                workers=8,
            ),
            method=dict(
                name="ddcolor",
                encoder="tiny",
                spectral=True,
                vgg="",
                dtype="float32",
            ),
            optimizer=dict(
                learning_rate=rate,
                boundaries=tuple(
                    (step, rate / 2**number)
                    for number, step in enumerate(milestones, start=1)
                ),
                b1=0.9,
                b2=0.99,
                weight_decay=0.01,
            ),
            step=dict(),
            checkpoint=dict(every=5000, keep=2),
            evaluation=dict(every=50_000, batch=40),
        )
    )
