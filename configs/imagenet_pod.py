"""The paper's 18 million crops on a TPU pod or many GPUs: global batch 4,096, bfloat16.

    python train.py --config=configs/imagenet_pod.py --distributed \\
        --config.data.data_dir=gs://BUCKET/tfds --workdir=gs://BUCKET/runs/imagenet

Start this process on every host. The config is for 32 chips of 16 GB. The learning rate
follows the square root of the batch, the rule for Adam: 3e-5 * sqrt(4096 / 40) = 3e-4,
after a warm-up of a tenth of the steps, then a cosine to 0. It has not run on a pod
yet, so there is no result to expect. docs/pods.md has all commands, and the predictions
of compiling for a pod.
"""

import math

from ml_collections import ConfigDict

from configs import imagenet


def get_config() -> ConfigDict:
    config = imagenet.get_config()
    crops = config.steps * config.batch
    config.batch = 4096
    config.steps = crops // config.batch
    config.method.dtype = "bfloat16"
    config.optimizer = ConfigDict(
        dict(
            learning_rate=3e-5 * math.sqrt(config.batch / 40),
            decay="cosine",
            warmup=config.steps // 10,
            weight_decay=1e-4,
        )
    )
    config.data.workers = 32
    config.checkpoint = ConfigDict(dict(every=250, keep=2))
    config.evaluation = ConfigDict(dict(every=1000, batch=1024))
    return config
