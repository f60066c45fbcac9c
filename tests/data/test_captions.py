"""Captions of a data set as words for a network."""

import numpy as np
import pytest
from examples import small_mesh
from helpers import PALETTE, TINY, encode, scene

from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import EncodedImage
from colorjax.data.tfds import texts
from colorjax.errors import UserError
from colorjax.text import encoder
from colorjax.train.experiment import Experiment

DATA = dict(name="pictures", resize=16, crop=16, captions="captions")


class Captioned:
    """Two pictures, the first with two captions; the third is no picture."""

    classes = ()
    files = (
        EncodedImage(
            lambda: encode(scene(0, 16)), 3, captions=("A red car.", "The dog")
        ),
        EncodedImage(lambda: encode(scene(1, 16)), captions=("a " + "very " * 40,)),
        EncodedImage(bytes, 0, captions=("a lost picture",)),
    )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return self.files[index]

    def name(self, index):
        return f"picture {index}"

    key = name


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """An encoder whose vectors have the length of the word as first number."""

    def vectors(words):
        return np.array([[len(word), *[0] * 511] for word in words], np.float32)

    encoder._token.cache_clear()
    monkeypatch.setattr(encoder, "load_encoder", lambda: vectors)
    yield
    encoder._token.cache_clear()


def test_training_sees_the_words_of_one_caption():
    dataset = ImageDataset(**DATA)
    batches = dataset.training(Captioned(), seed=0, batch=3, start=0, steps=12)
    seen = set()
    for batch in batches:
        assert batch["text"].shape == (3, 16, 513)
        for index, text in zip(batch["index"], batch["text"], strict=True):
            lengths = text[text[:, -1] == 1, 0]
            assert not text[text[:, -1] == 0].any()
            seen.add((int(index), *lengths))
    assert seen == {(0, 3, 3), (0, 3), (1, *[4] * 16), (2,)}
    assert "text" not in dataset.batch_of(Captioned(), [0])


def test_captions_of_features():
    assert texts(b"a cat") == ("a cat",) and texts("a cat") == ("a cat",)
    assert texts({"id": [1, 2], "text": [b"one", b"two"]}) == ("one", "two")
    assert texts(np.array([b"one"], object)) == ("one",)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (PALETTE, "config.data.captions: this method does not learn from text"),
        (PALETTE | {"name": "control_color"}, ""),
    ],
)
def test_captions_are_for_methods_with_text(method, message):
    data = TINY["data"] | DATA | {"root": None, "data_dir": None}
    config = TINY | {"data": data, "method": method}
    if message:
        with pytest.raises(UserError, match=message):
            Experiment.from_config(config, small_mesh())
    else:
        batch = Experiment.from_config(config, small_mesh()).abstract_batch
        assert batch["text"].shape == (4, 16, 513)
    with pytest.raises(UserError, match="only TFDS data sets have them"):
        ImageDataset(root="pictures", captions="captions")
