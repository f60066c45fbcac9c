"""A sentence as the input "text" of a method: `states_of`, `check`,
`sentence_of`."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from colorjax.color import rgb_to_lab
from colorjax.errors import UserError, counted
from colorjax.method import TextInput
from colorjax.text.color_words import WORDS, word_of
from colorjax.text.encoders import ENCODERS
from colorjax.text.parse import Pair, parse


def states_of(sentence: str, network: TextInput | None) -> Float[np.ndarray, "k t"]:
    """The states of a sentence for a network, as `encoders` has them.

    Raises `UserError` as `parse`, `check` and the encoder do, and for a network that
    reads none.
    """
    if network is None:
        raise UserError(
            f"the hints have the text '{sentence:.50}', and this run reads none; give "
            "it to colorjax colorize --text, which makes hints of it"
        )
    pairs = parse(sentence)
    check(pairs, network)
    return ENCODERS[network.encoder].say([(color_word(x), x.noun) for x in pairs])


def check(pairs: Sequence[Pair], network: TextInput) -> None:
    """Raise `UserError` unless a network can read the pairs of a text."""
    if len(pairs) > network.pairs:
        names = ", ".join(f"'{pair.name}'" for pair in pairs)
        raise UserError(
            f"this run reads {counted(network.pairs, 'pair')} of a noun and a color; "
            f"the text has {names}; give a box (--box) for the others"
        )
    for pair in pairs:
        if pair.sides:
            raise UserError(
                f"this run does not know the side of the '{pair.name}'; give a box or "
                "a point (--box, --at)"
            )


def sentence_of(pairs: Sequence[Pair]) -> str:
    """A sentence from which `states_of` makes the states of these pairs."""
    return ", ".join(f"{color_word(pair)} {pair.noun or 'picture'}" for pair in pairs)


def color_word(pair: Pair) -> str:
    """The word of `color_words` that is nearest to the color of a pair."""
    lab = rgb_to_lab(jnp.array(pair.levels()) / 255)
    return WORDS[int(word_of(lab[:1], lab[1:]))]
