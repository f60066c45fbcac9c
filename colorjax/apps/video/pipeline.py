"""A video from its frames to its file: read, predict, smooth, decode, write.

The frames are encoded in segments of `SEGMENT`; then the segments and the sound of the
source are joined in the target. An interrupted command resumes after the last finished
segment, and the result is the same to the byte.
"""

import argparse
import importlib.metadata
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from colorjax.apps.video.colorizer import Options, VideoColorizer
from colorjax.apps.video.following import Follower
from colorjax.apps.video.hinting import follower
from colorjax.apps.video.plan import Plan
from colorjax.apps.video.reader import Video
from colorjax.apps.video.segments import Segments
from colorjax.apps.video.temporal import Flicker
from colorjax.apps.video.writer import ColoredFrame, encode, join
from colorjax.errors import UserError, counted
from colorjax.inference.colorizer import Colorizer
from colorjax.progress import Progress
from colorjax.train.checksums import hash_nets
from colorjax.train.workdir import STARTER

SEGMENT = 128  # frames; an interrupted command loses at most as many


def colorize(video: Video, target: Path, plan: Plan, args: argparse.Namespace) -> None:
    """Write the colorized video to `target`, and print how much its colors flicker.

    `plan` is for the other streams; `args` are those of the command.
    """
    hints = follower(args, video)  # first, because it may have a question
    settings = dict(args.settings)
    model = Colorizer.load(args.workdir or STARTER, args.step, settings, args.size)
    options = Options(args.batch, args.temperature, args.saturation)
    colorizer = VideoColorizer(model, video, options, hints)
    segments = Segments(target, _job(args, model, hints, video.deinterlace))
    encoder = _Encoder(video, colorizer, segments, target.suffix.lower(), args.crf)
    encoder.encode_all()
    if colorizer.state is None:
        raise UserError(f"{video.path}: no frame of it could be decoded")
    paths = [segments.path(i) for i in range(encoder.segment)]
    join(target, video, paths, plan)
    segments.remove()
    print(_summary(target, encoder.frames, colorizer.state.flicker))
    for late in hints.waiting:
        print(f"{target}: hints at {late.time:g} s are not used; the video ends before")


class _Encoder:
    """Encodes the segments that are not finished yet.

    `segment` and `frames` count what is finished, also by an earlier command.
    """

    def __init__(
        self,
        video: Video,
        colorizer: VideoColorizer,
        segments: Segments,
        suffix: str,
        crf: int,
    ):
        self.video, self.colorizer, self.segments = video, colorizer, segments
        self.suffix, self.crf = suffix, crf
        self.segment, state = segments.finished()
        self.frames = int(state.pop("done", 0))
        if self.segment:
            colorizer.restore(state)
        self.progress = Progress("colorized", video.count, self.frames)

    def encode_all(self) -> None:
        """Encode the rest of the video, a segment at a time."""
        frames = itertools.islice(self.video.frames(), self.frames, None)
        while (first := next(frames, None)) is not None:
            rest = itertools.islice(frames, SEGMENT - 1)
            colored = self.colorizer.colorize(itertools.chain([first], rest))
            path = self.segments.path(self.segment)
            encode(path, self.video, self._counted(colored), self.suffix, self.crf)
            state = {"done": np.asarray(self.frames)} | self.colorizer.to_arrays()
            self.segments.finish(self.segment, state)
            self.segment += 1
        self.progress.total = self.frames
        self.progress.update(self.frames)

    def _counted(self, colored: Iterator[ColoredFrame]) -> Iterator[ColoredFrame]:
        for frame in colored:
            self.frames += 1
            yield frame
            # `count` is an estimate; the last line follows when the video has ended.
            self.progress.update(min(self.frames, self.video.count - 1))


def _job(
    args: argparse.Namespace, model: Colorizer, hints: Follower, deinterlace: bool
) -> dict[str, Any]:
    """All that the segments depend on. The command does not reuse segments of a
    different job."""
    source = Path(args.video)
    facts = source.stat()
    options = ("batch", "crf", "temperature", "saturation")
    packages = ("colorjax", "av", "jax")
    return {
        "layout": 4,  # of the segments and saved states
        "source": [str(source.resolve()), facts.st_size, facts.st_mtime_ns],
        "nets": hash_nets(model.nets)[0],
        "inference": [list(model.sizes), model.saturation],
        "segment": SEGMENT,
        "deinterlace": deinterlace,
        "hints": [[own.time, own.guide.to_json()] for own in hints.waiting],
        "always": hints.always and hints.always.to_json(),
        "settings": dict(args.settings),
        **{name: getattr(args, name) for name in options},
        **{name: importlib.metadata.version(name) for name in packages},
    }


def _summary(target: Path, frames: int, flicker: Flicker) -> str:
    smoothed, unsmoothed = flicker.means()
    return (
        f"{target}: {counted(frames, 'frame')}, {counted(flicker.shots, 'shot')}\n"
        f"flicker: ab changes by {smoothed:.3f} units per frame along optical flow; "
        f"without temporal smoothing by {unsmoothed:.3f}"
    )
