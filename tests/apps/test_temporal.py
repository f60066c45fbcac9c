"""Optical flow, temporal smoothing along it, and the chroma planes beside luma."""

import av
import numpy as np
import pytest
from scipy.special import log_softmax
from skimage import data
from skimage.color import rgb2gray, rgb2lab

from colorjax.apps.video.flow import optical_flow
from colorjax.apps.video.temporal import MEMORY, Smoothed, flow_to, smooth
from colorjax.apps.video.ycbcr import ColorCoding, chroma_planes
from colorjax.inference import upsample
from colorjax.inference.distribution import Distribution

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}


def grey(photograph, left=0, top=0, size=(256, 320)):
    """A part of a photograph, uint8 [h, w]."""
    levels = np.round(255 * rgb2gray(photograph())).astype(np.uint8)
    return np.ascontiguousarray(levels[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("shift", [(8, 4), (-6, 2), (2.5, 0)])
def test_flow_of_a_pan(shift):
    """When the camera moves by `shift`, every vector is `shift`."""
    x, y = shift
    before = grey(data.astronaut, 40, 40)
    now = grey(data.astronaut, 40 + int(x), 40 + int(y))
    if x % 1:  # the mean of two views, half a pixel between them
        other = grey(data.astronaut, 41 + int(x), 40 + int(y))
        now = np.round((now.astype(float) + other) / 2).astype(np.uint8)
    flow = optical_flow(before, now, factor=4)
    assert flow.vectors.shape == (64, 80, 2) and not flow.is_cut
    inner = flow.trusted.copy()
    inner[:4], inner[-4:], inner[:, :4], inner[:, -4:] = 0, 0, 0, 0
    assert inner.mean() > 0.75
    error = np.abs(flow.vectors[inner] - np.array(shift) / 4)
    assert np.percentile(error, 95) < 0.15
    # What has entered the frame has no trusted flow.
    new = flow.trusted[:, -int(x) // 4 :] if x > 0 else flow.trusted[:, : int(-x) // 4]
    assert x % 1 or new.mean() < 0.3


def test_a_cut_differs_from_motion():
    first, second = grey(data.astronaut), grey(data.coffee)
    assert optical_flow(first, second, 4).is_cut
    assert not optical_flow(first, first, 4).is_cut
    darker = np.round(0.97 * first).astype(np.uint8)
    assert not optical_flow(first, darker, 4).is_cut


def noisy(seed, shape=(16, 20, 313)):
    """The random prediction of an image."""
    logits = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    zeros = np.zeros((64, 80), np.float32)
    return Distribution((256, 320), zeros, np.zeros((64, 80, 2), np.float32), logits)


def decode(prediction):
    return prediction.decode(0.5)


def follow(previous, frame, prediction):
    """The smoothed colors of a frame."""
    flow = flow_to(previous, frame, prediction)
    return smooth(previous, flow, frame, prediction, decode)


def test_average_is_of_log_probabilities_and_forgets():
    frame, smoothed, inputs = grey(data.astronaut), None, []
    for seed in range(MEMORY + 3):
        inputs.append(log_softmax(noisy(seed).logits, axis=-1))
        smoothed = follow(smoothed, frame, noisy(seed))
        if seed < MEMORY:
            expected = np.mean(inputs, axis=0)
        else:
            expected += (inputs[-1] - expected) / MEMORY
        np.testing.assert_allclose(smoothed.values, expected, atol=1e-4)
    assert smoothed.counts.min() == smoothed.counts.max() == MEMORY
    mean = Distribution(
        (256, 320), noisy(0).lightness, noisy(0).ab, expected.astype(np.float32)
    )
    np.testing.assert_allclose(smoothed.ab, decode(mean), atol=1e-2)
    change, unsmoothed = smoothed.flicker.means()
    assert 0 < change < unsmoothed / 4 and smoothed.flicker.shots == 1


def test_average_moves_along():
    """A motion of 16 pixels moves the average by one sample of the grid."""
    before, now = grey(data.astronaut, 40, 40), grey(data.astronaut, 56, 40)
    first, second = noisy(1), noisy(2)
    smoothed = follow(follow(None, before, first), now, second)
    a, b = (log_softmax(x.logits, axis=-1) for x in (first, second))
    inner = np.s_[2:-2, 2:-3]
    expected = (a[:, 1:] + b[:, :-1])[inner] / 2
    error = np.abs(np.asarray(smoothed.values)[:, :-1][inner] - expected).mean(-1)
    assert np.median(error) < 0.1  # 0.8 if the average does not move
    assert (np.asarray(smoothed.counts)[:, -1] == 1).mean() > 0.7  # entered the frame


def test_a_cut_starts_anew():
    first = follow(None, grey(data.astronaut), noisy(1))
    second = follow(first, grey(data.coffee), noisy(2))
    expected = log_softmax(noisy(2).logits, axis=-1)
    np.testing.assert_allclose(second.values, expected, atol=1e-4)
    assert second.flicker.shots == 2 and second.flicker.pixels == 0


def test_the_saved_state_is_all_that_the_next_frame_needs():
    first = follow(None, grey(data.astronaut), noisy(1))
    first = follow(first, grey(data.astronaut), noisy(2))
    again = Smoothed.from_arrays(first.to_arrays())
    for state in (first, again):
        assert state.flicker == first.flicker
    one, other = (
        follow(state, grey(data.astronaut), noisy(3)) for state in (first, again)
    )
    np.testing.assert_array_equal(one.values, other.values)
    assert one.flicker == other.flicker


@pytest.mark.parametrize(("depth", "full"), [(8, False), (8, True), (10, False)])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_chroma_gives_the_colors_of_the_guide(matrix, depth, full):
    """Checked by ffmpeg's conversion to RGB."""
    coding = ColorCoding(WEIGHTS[matrix], depth, full)
    black, white = coding.black_white
    ramp = np.linspace(
        black + 0.35 * (white - black), black + 0.6 * (white - black), 64
    )
    luma = np.tile(np.round(ramp), (48, 1)).astype(
        np.uint8 if depth == 8 else np.uint16
    )
    target = np.array([22.0, -36.0], np.float32)
    lightness = np.full((12, 16), 50, np.float32)
    guide = upsample.fit(lightness, np.broadcast_to(target, (12, 16, 2)))
    planes = (luma, *chroma_planes(luma, guide, coding, subsampled=False))
    frame = av.VideoFrame(64, 48, "yuv444p" if depth == 8 else "yuv444p10le")
    for plane, levels in zip(frame.planes, planes, strict=True):
        plane.update(np.ascontiguousarray(levels).tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    rgb = frame.reformat(format="gbrp", dst_color_range=2).to_ndarray(channel_last=True)
    ab = rgb2lab(rgb)[..., 1:]
    assert np.abs(ab - target).mean() < 1.2
    assert np.abs(ab.mean((0, 1)) - target).max() < 0.4


def test_colors_out_of_gamut_keep_luma():
    """Chroma is reduced until no level of R'G'B' is beyond white."""
    luma = np.full((8, 8), 225, np.uint8)
    guide = upsample.fit(
        np.full((8, 8), 95, np.float32), np.full((8, 8, 2), 80, np.float32)
    )
    cb, cr = chroma_planes(luma, guide, ColorCoding(WEIGHTS[1]), subsampled=True)
    assert cb.shape == cr.shape == (4, 4)
    red, blue = WEIGHTS[1]
    y, b, r = (
        (x.astype(float) - n) / d
        for x, n, d in ((luma[:4, :4], 16, 219), (cb, 128, 224), (cr, 128, 224))
    )
    levels = [y + 2 * (1 - red) * r, y + 2 * (1 - blue) * b]
    assert np.max(levels) < 1.01 and np.min(levels) > -0.01
    assert (cr > 130).all()  # still reddish
