"""From a sentence to pairs of a thing and a color: `parse`."""

import math
import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from colorjax.color import into_gamut, lab_to_rgb, rgb_to_lab
from colorjax.errors import UserError
from colorjax.hints import NEUTRAL
from colorjax.text import vocabulary

COLOR, FACTOR, NOUN = "color", "factor", "noun"
SEPARATOR = re.compile(r"[,;.:!?&+\n]")
WORD = re.compile(r"[^\W_]+")
GREY = (128, 128, 128)
LONGEST = 1000  # characters of a sentence


class Pair(NamedTuple):
    """A thing and the color that it should have.

    `noun` is empty for the whole picture. `sides` narrow its place: "left", "right",
    "top", "bottom". `color` is written as "#aa5533" or is "neutral"; its chroma is
    multiplied by `chroma`.
    """

    noun: str
    sides: tuple[str, ...]
    color: str
    chroma: float = 1.0

    @property
    def name(self) -> str:
        """What the thing is called in messages and by `--box`: "left flower"."""
        return " ".join((*self.sides, self.noun or "picture"))

    def levels(self) -> tuple[int, ...]:
        """The color as sRGB levels, 0 to 255."""
        if self.color == NEUTRAL:
            return GREY
        levels = tuple(bytes.fromhex(self.color[1:]))
        if self.chroma == 1:
            return levels
        lab = rgb_to_lab(jnp.array(levels) / 255)
        lab *= jnp.array([1, self.chroma, self.chroma])
        rgb = np.asarray(lab_to_rgb(into_gamut(lab)))
        return tuple(round(255 * float(level)) for level in rgb)


class Token(NamedTuple):
    """A word and its kind: `COLOR`, `FACTOR` or `NOUN`."""

    kind: str
    word: str


def parse(sentence: str) -> tuple[Pair, ...]:
    """The pairs of a sentence, such as "make the car red" or "red car, pale blue sky".

    Commas and "and" separate pairs. Raises `UserError`, which names the words, if a
    color has no noun or a noun no color, if a word between them is not understood, or
    if a thing has two colors.
    """
    if len(sentence) > LONGEST:
        raise UserError(f"the text is longer than {LONGEST} characters")
    pairs: dict[str, Pair] = {}
    for clause in _clauses(sentence):
        for pair in _pairs(clause):
            if pairs.setdefault(pair.name, pair) != pair:
                raise UserError(f"'{clause}': the {pair.name} already has a color")
    if not pairs:
        raise UserError("the text has no words; write, for example, 'make the car red'")
    return tuple(pairs.values())


def _clauses(sentence: str) -> Iterator[str]:
    """The parts of a sentence between commas and words like "and"."""
    for part in SEPARATOR.split(unicodedata.normalize("NFC", sentence).lower()):
        is_and = vocabulary.AND.__contains__
        for separates, words in groupby(part.split(), is_and):
            if not separates:
                yield " ".join(words)


def _pairs(clause: str) -> list[Pair]:
    """The pairs of a clause: the first of `_readings` that has a noun for each color.

    If none has, raises the `UserError` of the second one, the most literal.
    """
    errors = []
    for tokens in _readings(clause):
        try:
            return _match(clause, tokens)
        except UserError as error:
            errors.append(error)
    raise errors[1]


def _readings(clause: str) -> Iterator[list[Token]]:
    """The tokens of a clause in the ways in which it can be read.

    In the first reading, two words may be the name of one color ("sky blue car"). In
    the second, each word stands alone ("make the sky blue"). In each further one, a
    word that can be a color or a thing is a thing ("make the orange blue"): after a
    verb the first such word comes first, else the last.
    """
    words = [w for w in WORD.findall(clause) if w not in vocabulary.ARTICLES]
    verb = any(word in vocabulary.VERBS for word in words)
    words = [word for word in words if word not in vocabulary.VERBS]
    yield _tokens(words, joined=True)
    tokens = _tokens(words)
    yield tokens
    places = [i for i, x in enumerate(tokens) if x.word in vocabulary.THINGS]
    for i in places if verb else reversed(places):
        yield [*tokens[:i], Token(NOUN, tokens[i].word), *tokens[i + 1 :]]


def _tokens(words: list[str], joined: bool = False) -> list[Token]:
    """The tokens of words; `joined` reads two words as the name of one color."""
    tokens, i = [], 0
    while i < len(words):
        both = "".join(words[i : i + 2])
        is_factor, is_last = words[i] in vocabulary.CHROMA, i + 1 == len(words)
        if joined and both in vocabulary.COLORS and not is_factor and not is_last:
            tokens.append(Token(COLOR, both))
            i += 2
        else:
            tokens += _split(words[i])
            i += 1
    return tokens


def _split(word: str) -> list[Token]:
    """The tokens of one word; a German compound such as "dunkelrot" has two."""
    if word in vocabulary.COLORS:
        return [Token(COLOR, word)]
    if word in vocabulary.CHROMA:
        return [Token(FACTOR, word)]
    for factor in vocabulary.CHROMA:
        if word.startswith(factor) and word[len(factor) :] in vocabulary.COLORS:
            return [Token(FACTOR, factor), Token(COLOR, word[len(factor) :])]
    return [Token(NOUN, word)]


def _match(clause: str, tokens: list[Token]) -> list[Pair]:
    """The pairs of tokens in which groups of nouns and of colors alternate."""
    groups = [list(x) for _, x in groupby(tokens, lambda token: token.kind == NOUN)]
    if not any(token.kind == COLOR for token in tokens):
        raise UserError(
            f"'{clause}': no word in it is a color; known are red, dark green, "
            "skyblue and the other names of CSS"
        )
    if len(groups) == 1:
        raise UserError(
            f"'{clause}': has a color but no noun; write 'make the car red'"
        )
    if len(groups) % 2:
        raise UserError(
            f"'{clause}': it is not clear which color belongs to what; separate pairs "
            "of a noun and a color by commas"
        )
    pairs = zip(groups[::2], groups[1::2], strict=True)
    return [_pair(clause, *sorted(pair, key=_is_colors)) for pair in pairs]


def _is_colors(tokens: list[Token]) -> bool:
    return tokens[0].kind != NOUN


def _pair(clause: str, nouns: list[Token], colors: list[Token]) -> Pair:
    """The pair of a group of nouns and a group of colors."""
    words = [token.word for token in nouns]
    sides = tuple(vocabulary.PLACES[w] for w in words if w in vocabulary.PLACES)
    if {"left", "right"} <= set(sides) or {"top", "bottom"} <= set(sides):
        raise UserError(f"'{clause}': one thing is not on opposite sides")
    words = [word for word in words if word not in vocabulary.PLACES]
    while words and words[0] in vocabulary.LINKS:
        words = words[1:]
    while words and words[-1] in vocabulary.LINKS:
        words = words[:-1]
    if not words:
        raise UserError(
            f"'{clause}': has a color but no noun; write 'make the car red'"
        )
    if vocabulary.PRONOUNS.intersection(words):
        raise UserError(
            f"'{clause}': name the thing, as in 'make the car red'; 'picture' is all "
            "of the picture"
        )
    whole = all(w in vocabulary.WHOLE | vocabulary.LINKS | {"whole"} for w in words)
    return Pair("" if whole else " ".join(words), sides, *_color(clause, colors))


def _color(clause: str, tokens: list[Token]) -> tuple[str, float]:
    """The color that words like "pale blue" name, and the factor of its chroma."""
    names = [token.word for token in tokens if token.kind == COLOR]
    if len(names) != 1:
        words = " ".join(token.word for token in tokens)
        raise UserError(
            f"'{clause}': '{words}' is not one color; write, for example, 'dark red'"
        )
    factors = [vocabulary.CHROMA[x.word] for x in tokens if x.kind == FACTOR]
    return vocabulary.COLORS[names[0]], math.prod(factors, start=1.0)
