"""All conditions on COCO: hints, an exemplar's colors and captions, at 256 pixels.

    python train.py --config=configs/control_color.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `coco_captions` in ArrayRecord form. The net is that
of configs/palette_ab.py, whose run --config.init_from may name; its first layer, which
sees the hints, is then new. A text is one of an image's captions, as the vectors of its
words. The config has not run yet, so there is no result to expect.

What is missing: the words are not encoded in their sentence, so of two colors and two
things the net must guess which belong together; an encoder with the states of tokens
would tell. The boxes of COCO are not used, and no image is turned to other colors, as
in configs/cifar10_control_color.py, because a caption does not say where its colors
are. So pairs of a noun and a color that photographs lack may not be obeyed.
"""

from ml_collections import ConfigDict

from configs import palette_ab


def get_config() -> ConfigDict:
    config = palette_ab.get_config()
    config.data.update(name="coco_captions", test_split="val", captions="captions")
    del config.method["space"]
    config.method.update(
        name="control_color", text_encoder="use", pairs=4, guidance=3.0
    )
    return config
