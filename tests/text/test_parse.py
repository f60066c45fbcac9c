"""Sentences: their pairs of a noun and a color, and those that are refused."""

import pytest

from colorjax.errors import UserError
from colorjax.text.vocabulary import COLORS, color_name
from colorjax.words import parse

RED, BLUE, GREEN, YELLOW = (COLORS[x] for x in ("red", "blue", "green", "yellow"))


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("make the car red", {"car": RED}),
        ("red car, yellow sky", {"car": RED, "sky": YELLOW}),
        ("the car is red and the sky is blue", {"car": RED, "sky": BLUE}),
        ("a red car under a blue sky", {"car": RED, "sky": BLUE}),
        ("Paint the roof of the house green!", {"roof of house": GREEN}),
        ("the left flower yellow", {"left flower": YELLOW}),
        ("the flower on the left yellow", {"left flower": YELLOW}),
        ("top left window blue", {"top left window": BLUE}),
        ("a sky blue car", {"car": "#87ceeb"}),
        ("make the sky blue", {"sky": BLUE}),
        ("make the orange blue", {"orange": BLUE}),
        ("make the tomato orange", {"tomato": COLORS["orange"]}),
        ("orange tomato", {"tomato": COLORS["orange"]}),
        ("red orange juice", {"orange juice": RED}),
        ("grey cat", {"cat": "neutral"}),
        ("everything red, the left side of the picture blue", None),
        ("das linke Auto rot", {"left auto": RED}),
        ("der Himmel ist blau und die Wiesen grün", {"himmel": BLUE, "wiesen": GREEN}),
        ("les voitures rouges", {"voitures": RED}),
        ("las casas amarillas y el coche rojo", {"casas": YELLOW, "coche": RED}),
    ],
)
def test_pairs(sentence, expected):
    expected = expected or {"picture": RED, "left picture": BLUE}
    assert {pair.name: pair.color for pair in parse(sentence)} == expected


@pytest.mark.parametrize(
    ("sentence", "color", "chroma"),
    [
        ("pale blue sky", BLUE, 0.45),
        ("voiture bleu clair", BLUE, 0.6),
        ("ein dunkelrotes Auto", RED, 0.8),
        ("vivid light red car", RED, 1.4 * 0.6),
        ("lightblue car", "#add8e6", 1),
    ],
)
def test_factors(sentence, color, chroma):
    (pair,) = parse(sentence)
    assert (pair.color, pair.chroma) == (color, chroma)


def test_a_factor_changes_the_chroma_alone():
    pale, plain = (
        max(x.levels()) - min(x.levels()) for x in parse("pale red car, red sky")
    )
    assert 0 < pale < 0.7 * plain
    assert len(set(parse("pale white car")[0].levels())) == 1


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("pale blue car", "pale blue"),
        ("white car", "grey"),
        ("skyblue car", "skyblue"),
        ("vivid light red car", "0.84 x red"),
    ],
)
def test_colors_have_names(sentence, name):
    (pair,) = parse(sentence)
    assert color_name(pair.color, pair.chroma) == name


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "no words"),
        ("...", "no words"),
        ("red", "'red': has a color but no noun"),
        ("the left red", "has a color but no noun"),
        ("make the car zorp", "'make the car zorp': no word in it is a color"),
        ("red car, the sky", "'the sky': no word in it is a color"),
        ("make it red", "'make it red': name the thing"),
        ("black and white cat", "'black': has a color but no noun"),
        ("red car blue", "not clear which color belongs to what"),
        ("navy blue car", "'navy blue' is not one color"),
        ("the left right car red", "one thing is not on opposite sides"),
        ("dark car, red sky", "'dark car': no word in it is a color"),
        ("car red, car blue", "'car blue': the car already has a color"),
        (1001 * "x", "longer than 1000 characters"),
    ],
)
def test_refusals_name_the_words(sentence, message):
    with pytest.raises(UserError, match=message):
        parse(sentence)
