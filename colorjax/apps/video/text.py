"""Text for a film: its things become hints that follow the motion (`text_hints`)."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from colorjax import words
from colorjax.apps.guide import text_options
from colorjax.apps.guide.placing import place_text
from colorjax.apps.guide.text_options import PLACES, Text
from colorjax.apps.video.following import Timed
from colorjax.apps.video.hinting import Timely
from colorjax.apps.video.reader import Video
from colorjax.errors import UserError
from colorjax.words.classes import Finder


def text_hints(args: argparse.Namespace, video: Video) -> list[Timed]:
    """The hints of the text of the arguments, on each frame that places a thing.

    `--box` and `--at` place a thing from a time on. Things without either are searched
    on the first frame. Raises `UserError` as `place_text` does, and if the video ends
    before the time of a place.
    """
    pairs = text_options.pairs(args)
    if args.clip and not pairs:
        raise UserError("--clip needs --text")
    if not pairs:
        return []
    finder = text_options.finder(args)
    texts = _by_time(pairs, args.text_marks, args.places, finder)
    hints = []
    for time, picture in _pictures(video, sorted(texts)):
        name = f"{Path(args.out).name}.{time:g}s" if time else Path(args.out).name
        drawing = Path(args.out).with_name(name + PLACES)
        guide, _ = place_text(str(video.path), picture, None, texts[time], drawing)
        hints.append(Timed(time, guide))
    return hints


def _by_time(
    pairs: Sequence[words.Pair],
    marks: Sequence[Timely],
    drawn: bool,
    finder: Finder,
) -> dict[float, Text]:
    """The things to place at each time, with their places."""
    words.check_names([mark.noun for _, mark in marks], pairs)
    placed = {mark.noun for _, mark in marks}
    texts = {}
    for time in {0.0, *(time for time, _ in marks)}:
        own = [mark for at, mark in marks if at == time]
        names = {mark.noun for mark in own}
        if time == 0:
            names |= {pair.name for pair in pairs} - placed
        if names:
            members = tuple(pair for pair in pairs if pair.name in names)
            texts[time] = Text(members, own, drawn, finder)
    return texts


def _pictures(
    video: Video, times: list[float]
) -> Iterator[tuple[float, UInt8[np.ndarray, "h w 3"]]]:
    """Each of the times, which are sorted, with the first frame from that time on.

    Raises `UserError` if there is none.
    """
    waiting = list(times)
    for frame in video.frames() if waiting else ():
        while waiting and waiting[0] <= frame.time * video.unit:
            yield waiting.pop(0), np.repeat(video.grey(frame)[..., None], 3, axis=2)
        if not waiting:
            return
    if waiting:
        raise UserError(f"{video.path} ends before {waiting[0]:g} s, where a thing is")
