"""Boxes of things, and the data sets that have them, with the features of COCO's."""

import os

import numpy as np
import pytest
from examples import small_mesh
from helpers import (
    FIXTURES,
    PALETTE,
    ROOT,
    TINY,
    encode,
    run_colorjax,
    run_train,
    things_scene,
)

from colorjax.data.pipeline import ImageDataset
from colorjax.data.things import WHOLE, Thing, largest
from colorjax.errors import UserError
from colorjax.train.experiment import Experiment
from configs.control_color import NOUNS

COCO = dict(name="coco_captions", data_dir=str(FIXTURES), resize=32, crop=16)
FEATURES = dict(captions="captions", things="objects")


def test_the_largest_thing_in_a_window():
    cup, car = Thing(3, (0.0, 0.0, 0.2, 0.2)), Thing(5, (0.0, 0.5, 1.0, 1.0))
    assert largest([cup, car]) == car
    assert largest([cup, car], (0.0, 0.0, 0.4, 0.4)) == Thing(3, (0, 0, 0.5, 0.5))
    label, box = largest([cup, car], (0.5, 0.25, 1.0, 0.75))
    assert label == 5 and box == pytest.approx((0, 0.5, 1, 1))
    assert largest([cup], (0.5, 0.5, 1.0, 1.0)) == Thing(-1, WHOLE)
    assert largest([Thing(3, (0.4, 0.4, 0.5, 0.5))]) == Thing(-1, WHOLE)  # too small


def test_the_box_of_a_crop_is_where_its_thing_is():
    """In mirrored crops, too: the pixels with the color in the middle of the box."""
    dataset = ImageDataset(**COCO, things="objects", zoom=1.5)
    source, labels = dataset.source("train"), set()
    assert tuple(source.classes) == NOUNS and source[0].label == NOUNS.index("car")
    for batch in dataset.training(source, seed=0, batch=12, start=0, steps=4):
        assert batch["box"].dtype == np.float32 and "text" not in batch
        labels |= set(batch["label"].tolist())
        entries = (batch[key] for key in ("image", "box", "label"))
        for image, box, label in zip(*entries, strict=True):
            row, column = (16 * (box[:2] + box[2:]) / 2).astype(int)
            alike = np.abs(image - image[row, column].astype(int)).max(-1) < 40
            if label == NOUNS.index("car"):
                edges = np.argwhere(alike).min(0), np.argwhere(alike).max(0) + 1
                np.testing.assert_allclose(16 * box, np.ravel(edges), atol=1.2)
    assert labels == {-1, *map(NOUNS.index, ("bird", "car"))}
    assert dataset.batch_of(source, [0])["label"] == NOUNS.index("car")


@pytest.mark.usefixtures("minilm")
def test_captions_and_boxes_of_coco():
    dataset = ImageDataset(**COCO, **FEATURES, text_encoder="minilm")
    batches = dataset.training(
        dataset.source("train"), seed=0, batch=12, start=0, steps=1
    )
    (batch,) = batches
    for name, entry in dataset.words.entries.items():
        assert batch[name].shape[1:] == entry.shape and batch[name].dtype == entry.dtype
    lengths = batch["text"][..., 1].sum(-1)
    spoken = set(lengths[lengths > 0].tolist())
    assert (lengths == 0).sum() == 3 and 14 in spoken and spoken <= {14, 20, 21, 22}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(things="image"), "data.things 'image': not a sequence with 'bbox'"),
        (dict(things="boxes"), "data.things 'boxes': 'coco_captions' has only"),
        (dict(captions="text"), "data.captions 'text': 'coco_captions' has only"),
        (dict(name=None, root="x", things="objects"), "only TFDS data sets have them"),
    ],
)
def test_wrong_features(changes, message):
    with pytest.raises(UserError, match=message):
        ImageDataset(**COCO | changes).source("train")


def test_things_are_for_methods_with_text():
    data = TINY["data"] | COCO | {"root": None, "things": "objects"}
    config = TINY | {"data": data, "method": PALETTE}
    with pytest.raises(UserError, match="config.data.things: this method does not lea"):
        Experiment.from_config(config, small_mesh())


SMALL = (
    *("--config.steps=2", "--config.batch=4", "--config.evaluation.batch=4"),
    *("--config.data.resize=32", "--config.data.crop=16", "--config.data.workers=0"),
    *("--config.method.width=0.03125", "--config.method.steps=2"),
    *("--config.method.net_options.multipliers=(1,)", "--config.method.dtype=float32"),
    *(
        "--config.method.net_options.attention=()",
        "--config.method.net_options.blocks=1",
    ),
    f"--config.data.data_dir={FIXTURES}",
)


@pytest.mark.slow
@pytest.mark.parametrize("captions", ["captions", ""])
def test_the_config_of_coco_trains_and_its_run_reads_text(
    captions, minilm_package, tmp_path
):
    """With captions, and without as `coco/2017`, on small images with a small net."""
    run, file = tmp_path / "run", tmp_path / "car.png"
    file.write_bytes(encode(things_scene(1)))
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{minilm_package}"}
    flags = "--config=configs/control_color.py", f"--config.data.captions={captions}"
    flags += *SMALL, f"--workdir={run}"
    result = run_train(*flags, env=paths, cwd=ROOT, timeout=900)
    assert result.code == 0, result.err
    assert (run / "metrics.json").exists()
    out, text = tmp_path / "out.png", "red car, blue sky"
    args = "colorize", file, "--run", run, "--out", out, "--text", text
    result = run_colorjax(*args, env=paths)
    assert result.code == 0 and f"the network reads '{text}'" in result.err
    assert out.exists()
