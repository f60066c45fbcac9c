"""Color by diffusion on ImageNet in a night: ab at half of 256 pixels.

    python train.py --config=configs/palette_ab.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `imagenet2012` in ArrayRecord form. The net, 64 M
parameters, makes two channels of 128 pixels. One image is .13 TFLOP forward, so 150,000
steps of 512 images are 3e19 FLOP: ten hours of eight accelerators at 100 TFLOP/s each.
A sample is 12 evaluations of the net. The config has not run yet, so there is no
result to expect.

It differs from `configs/palette.py` in what makes the same colors cheaper. L is known,
so the net makes ab alone. ab is smooth, so half the resolution is enough. EDM's
preconditioning trains stably at all levels of noise, and its sampler needs 12 steps
where the paper's needs 1000. The noise is that of `configs/cifar10_palette.py`, times 4
for sides that are 8 times as long at a similar size of objects.
"""

from ml_collections import ConfigDict

from configs import palette


def get_config() -> ConfigDict:
    config = palette.get_config()
    config.steps = 150_000
    config.batch = 512
    config.method = ConfigDict(
        dict(
            name="palette",
            net="unet",
            width=0.375,
            net_options=dict(
                multipliers=(1, 2, 2, 3, 4), attention=(4, 8, 16), dropout=0.1
            ),
            space="ab",
            stride=2,
            noise=(2.4, 1.6),
            steps=12,
            ema=0.9999,
            dtype="bfloat16",
        )
    )
    config.optimizer = ConfigDict(
        dict(learning_rate=1e-4, warmup=10_000, b2=0.99, clip=1.0)
    )
    config.evaluation = ConfigDict(dict(every=25_000, batch=64))
    return config
