"""Colorizing the frames of a video in order: `VideoColorizer`."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from colorjax import images
from colorjax.apps.video.following import Follower
from colorjax.apps.video.reader import Frame, Video
from colorjax.apps.video.temporal import Smoothed, flow_to, smooth
from colorjax.apps.video.writer import ColoredFrame, is_subsampled
from colorjax.apps.video.ycbcr import chroma_planes
from colorjax.inference import upsample
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.distribution import Distribution, no_logits_error

FLOW_SIDE = 256  # the least short side, in pixels, at which optical flow is computed


@dataclass(frozen=True)
class Options:
    """`batch` is the number of frames per run of the network; the others are those of
    `colorjax.inference.decode.decode`."""

    batch: int = 8
    temperature: float | None = None
    saturation: float | None = None


class VideoColorizer:
    """Predicts, smooths and decodes the colors of a video's frames.

    `state` is the smoothed prediction of the last frame, None before the first, and
    `follower` has the hints. Raises `UserError` for options that need a distribution if
    the method has none.
    """

    def __init__(
        self, colorizer: Colorizer, video: Video, options: Options, follower: Follower
    ):
        self.colorizer, self.video, self.options = colorizer, video, options
        self.follower = follower
        self.state: Smoothed | None = None
        self.temperature = None
        if colorizer.has_logits:
            self.temperature = options.temperature or colorizer.temperature
        elif options.temperature or follower.always:
            raise no_logits_error(colorizer.source)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All that the next frame needs of the last one, for `restore`."""
        assert self.state is not None
        return self.state.to_arrays() | self.follower.to_arrays()

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Resume a video behind the frame whose `to_arrays` gave the arrays."""
        fields = {name: arrays[name] for name in Smoothed._fields}
        self.state = Smoothed.from_arrays(fields)
        self.follower.restore(arrays)

    def colorize(self, frames: Iterable[Frame]) -> Iterator[ColoredFrame]:
        """The frames with their chroma planes, in the same order."""
        frames = iter(frames)
        while batch := list(itertools.islice(frames, self.options.batch)):
            greys = list(map(self.video.grey, batch))
            inputs = [np.repeat(grey[..., None], 3, axis=2) for grey in greys]
            # With noise of their own the frames of a stochastic method would flicker.
            predictions = self.colorizer.predict(
                inputs, batch=self.options.batch, same_noise=True
            )
            for frame, grey, one in zip(batch, greys, predictions, strict=True):
                yield self._colored(frame, _for_flow(grey, one), self._saturated(one))

    def _saturated(self, prediction: Distribution) -> Distribution:
        """The prediction with the saturation of the options, if they have one."""
        saturation = self.options.saturation
        if saturation is None:
            return prediction
        return replace(prediction, saturation=saturation)

    def _colored(
        self, frame: Frame, grey: UInt8[np.ndarray, "h w"], prediction: Distribution
    ) -> ColoredFrame:
        """The next frame in color; `grey` is the frame at the size for optical flow."""
        flow = flow_to(self.state, grey, prediction)
        self.follower.advance(float(frame.time * self.video.unit), flow)
        guide = self.follower.guide
        located = prediction.locate(guide) if guide and guide.has_places else None

        def decode(prediction):
            return prediction.decode(self.temperature, hints=guide, located=located)

        self.state = smooth(self.state, flow, grey, prediction, decode)
        ab = np.float32(prediction.saturation) * self.state.ab
        upsampler = upsample.fit(prediction.lightness, ab)
        if located is not None:
            upsampler = upsampler.pinned(located.local[..., 2])
        options = upsampler, self.video.coding, is_subsampled(self.video)
        if not self.video.is_interlaced:
            return ColoredFrame(frame, chroma_planes(frame.luma, *options))
        # Each field has chroma lines of its own, which alternate.
        halves = [chroma_planes(frame.luma[i::2], *options) for i in (0, 1)]
        cb, cr = (
            np.stack(pair, axis=1).reshape(-1, pair[0].shape[1])
            for pair in zip(*halves, strict=True)
        )
        return ColoredFrame(frame, (cb, cr))


def _for_flow(
    grey: UInt8[np.ndarray, "h w"], prediction: Distribution
) -> UInt8[np.ndarray, "h2 w2"]:
    """The frame at the least multiple of the working size with `FLOW_SIDE` pixels."""
    height, width = prediction.lightness.shape
    factor = math.ceil(FLOW_SIDE / min(height, width))
    return images.resize(grey, (factor * height, factor * width))
