"""The published encoder and classifier: what they make of nouns and of a photograph."""

import numpy as np
import pytest
from helpers import ROOT
from skimage import data

from colorjax import words
from colorjax.text.encoder import load_encoder
from colorjax.words import classes


def test_nouns_of_other_languages_mean_the_same():
    nouns = ["car", "cat", "flower", "house"]
    others = ["Auto", "chat", "Blume", "casa"]
    similar = load_encoder()(nouns) @ load_encoder()(others).T
    assert (similar.argmax(1) == np.arange(4)).all()


@pytest.mark.slow
def test_a_cup_is_found_and_the_same_words_repeat_the_picture():
    picture, cup = data.coffee(), 968
    assert cup in classes.nearest_classes("cup")[0]
    first, second = (words.guide("make the cup red", picture) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.strokes is not None
    height, width = first.strokes.shape[:2]
    rows, columns = first.opaque().nonzero()
    assert 0.2 < rows.mean() / height < 0.8 and 0.2 < columns.mean() / width < 0.8


@pytest.mark.slow
def test_what_the_photograph_lacks_is_a_question():
    with pytest.raises(words.UnsureError, match="the sofa, perhaps at"):
        words.guide("blue sofa", ROOT / "docs" / "cat.jpg")
