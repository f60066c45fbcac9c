"""The words of a sentence that are not nouns, in English, German, French and Spanish.

The encoder understands nouns in more languages (`encoder`).
"""

from typing import Any

from colorjax.hints import NEUTRAL
from colorjax.images import CSS_COLORS


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# The basic colors (Berlin and Kay, "Basic Color Terms", 1969), each as a shade with
# much chroma, because a color gives hue and chroma only.
BASIC = (  # English, German, French, Spanish
    (NEUTRAL, "black", "schwarz", "noir", "negro"),
    (NEUTRAL, "white", "weiß weiss", "blanc blanche", "blanco"),
    (NEUTRAL, "grey gray", "grau", "gris", "gris"),
    ("#f01018", "red", "rot", "rouge", "rojo"),
    ("#00ad20", "green", "grün gruen", "vert", "verde"),
    ("#f5d000", "yellow", "gelb", "jaune", "amarillo"),
    ("#1a40f2", "blue", "blau", "bleu", "azul"),
    ("#8a5527", "brown", "braun", "brun marron", "marrón"),
    ("#f2811d", "orange", "orange", "orange", "naranja"),
    ("#ef6fa5", "pink", "rosa", "rose", "rosa"),
    ("#8e34b5", "purple", "lila violett", "violet violette", "morado"),
)
# Factors of the chroma; L is that of the picture, so they cannot change it.
FACTORS = (
    (0.45, "pale pastel faded", "blass", "pâle", "pálido"),
    (0.6, "light", "hell", "clair", "claro"),
    (0.8, "dark", "dunkel dunkl", "foncé", "oscuro"),
    (1.4, "vivid bright deep", "kräftig leuchtend", "vif vive", "vivo"),
)
SIDES = (
    ("left", "left leftmost", "links link", "gauche", "izquierdo"),
    ("right", "right rightmost", "rechts recht", "droit droite", "derecho"),
    ("top", "top upper topmost", "oben ober", "", "arriba"),
    ("bottom", "bottom lower lowest", "unten unter", "", "abajo"),
)
ENDINGS = ("", ""), ("e", "er", "es", "en", "em"), ("e", "s", "es"), ("s", "es")
VERBS = _set(
    "make color colour colorize colourize paint turn dye tint mach mache färbe fais "
    "rends colorie haz pinta"
)
ARTICLES = _set(  # words that are not part of a noun
    "a an s the this that these those my our his her its their please is are be should "
    "der die das den dem des ein eine einen einem einer bitte ist sind soll "
    "le la les l un une du mon ma mes est sont el los las una unos unas mi mis es son"
)
LINKS = _set(  # words between nouns, "roof of the house"; never first or last
    "in on of at to into with under over behind before near by side in im am auf mit "
    "von dans sur avec sous de con sobre bajo colored coloured"
)
AND = _set("and und et y")
WHOLE = _set(  # nouns for all of the picture
    "picture photo photograph image everything all bild foto alles tout todo"
)
PRONOUNS = _set("it them him he she they one ihn sie lui lo")
THINGS = _set(  # nouns that are colors or factors, too: "make the orange blue"
    "orange rose violet salmon tomato olive chocolate lime plum gold silver lavender "
    "orchid coral snow wheat light"
)


def _words(table: tuple[tuple[Any, ...], ...]) -> dict[str, Any]:
    """The meaning of each word of a table, in all forms that the word takes."""
    meanings = {}
    for meaning, *languages in table:
        for words, endings in zip(languages, ENDINGS, strict=True):
            for word in words.split():
                # Spanish: rojo, roja, rojos, rojas. No other word ends with an o.
                stems = [word, word[:-1] + "a"] if word.endswith("o") else [word]
                forms = [stem + end for stem in stems for end in ("", *endings)]
                meanings = dict.fromkeys(forms, meaning) | meanings
    return meanings


COLORS = CSS_COLORS | _words(BASIC)
CHROMA = _words(FACTORS)
PLACES = _words(SIDES)
NAMES = {value: name for name, value in reversed(CSS_COLORS.items())} | {
    value: english.split()[0] for value, english, *_ in BASIC
}


def color_name(color: str, chroma: float) -> str:
    """English words for a color: "pale blue", or "#123456" if it has no name."""
    factors = {1.0: ""} | {
        value: f"{words.split()[0]} " for value, words, *_ in FACTORS
    }
    name = NAMES.get(color, color)
    return factors.get(chroma, f"{chroma:.2g} x ") + name
