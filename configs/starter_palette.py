"""A decoder that samples, on the features of `configs/starter.py`.

    colorjax convert efficientnet-lite0-57934424.pth --out runs/lite0
    python train.py --config=configs/starter_palette.py --config.init_from=runs/lite0

The data, the classifier and the command to convert it are those of
`configs/starter.py`. The classifier is frozen. Its features are computed once for an
image. From them a small transformer makes ab at a quarter of the resolution, which is
upsampled along the edges of L.
"""

from ml_collections import ConfigDict

from configs import starter


def get_config() -> ConfigDict:
    config = starter.get_config()
    config.steps = 1500
    config.method = ConfigDict(
        dict(
            name="palette",
            net="transformer",
            width=0.25,
            net_options=dict(depth=4, patch=2),
            encoder="efficientnet_lite0",
            features=32,
            frozen=True,
            stride=4,
            noise=(1.0, 1.6),
            steps=12,
            ema=0.995,
            dtype="float32",
        )
    )
    # The mean of two sizes would be that of two samples, and samples are colorful.
    config.inference = ConfigDict(dict(sizes=[128], saturation=1.0))
    config.optimizer = ConfigDict(
        dict(learning_rate=1e-3, decay="cosine", warmup=50, b2=0.99)
    )
    return config
