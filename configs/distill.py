"""A small colorizer that learns from the pictures that a larger one has colorized.

    colorjax colorize PICTURES --run TEACHER --out colorized
    python train.py --config=configs/distill.py --config.data.root=colorized

TEACHER is any run, such as DDColor's published weights after `colorjax convert`. The
student has the size of the shipped model and starts from it; PICTURES need no colors of
their own. The teacher's colors are final, so the student adds no saturation. Its
figures in metrics.json tell how near it comes to the teacher. To compare both with the
truth, call evaluate.py with photographs in color.
"""

from ml_collections import ConfigDict, config_dict

from configs import starter


def get_config() -> ConfigDict:
    config = starter.get_config()
    config.init_from = "starter"
    config.data = ConfigDict(
        dict(
            root=config_dict.placeholder(str),
            holdout="hash",
            resize=128,
            crop=128,
            zoom=1.5,
            workers=2,
        )
    )
    config.inference = ConfigDict(dict(sizes=[128, 256], saturation=1.0))
    return config
