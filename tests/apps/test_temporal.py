"""Motion, what is averaged along it, and the colours beside luma."""

import av
import numpy as np
import pytest
from scipy.special import log_softmax
from skimage import data
from skimage.color import rgb2gray, rgb2lab

from colorjax.apps.video.flow import motion
from colorjax.apps.video.temporal import MEMORY, follow, from_arrays, to_arrays
from colorjax.apps.video.ycbcr import Coding, chroma_planes
from colorjax.inference import upsample
from colorjax.inference.distribution import Distribution

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}


def grey(photograph, left=0, top=0, size=(256, 320)):
    """A part of a photograph, uint8 [h, w]."""
    levels = np.round(255 * rgb2gray(photograph())).astype(np.uint8)
    return np.ascontiguousarray(levels[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("shift", [(8, 4), (-6, 2), (2.5, 0)])
def test_motion_of_a_pan(shift):
    """A view further on by `shift` shows everything by so much further back."""
    x, y = shift
    before = grey(data.astronaut, 40, 40)
    now = grey(data.astronaut, 40 + int(x), 40 + int(y))
    if x % 1:  # a view between two
        other = grey(data.astronaut, 41 + int(x), 40 + int(y))
        now = np.round((now.astype(float) + other) / 2).astype(np.uint8)
    found = motion(before, now, factor=4)
    assert found.flow.shape == (64, 80, 2) and not found.is_cut
    inner = found.trusted.copy()
    inner[:4], inner[-4:], inner[:, :4], inner[:, -4:] = 0, 0, 0, 0
    assert inner.mean() > 0.75
    error = np.abs(found.flow[inner] - np.array(shift) / 4)
    assert np.percentile(error, 95) < 0.15
    # What has come in was not there before.
    new = (
        found.trusted[:, -int(x) // 4 :] if x > 0 else found.trusted[:, : int(-x) // 4]
    )
    assert x % 1 or new.mean() < 0.3


def test_cuts_are_told_from_motion():
    first, second = grey(data.astronaut), grey(data.coffee)
    assert motion(first, second, 4).is_cut
    assert not motion(first, first, 4).is_cut
    darker = np.round(0.97 * first).astype(np.uint8)
    assert not motion(first, darker, 4).is_cut


def noisy(seed, shape=(16, 20, 313)):
    """What a net may say of a picture, its last colours unlikely."""
    logits = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    zeros = np.zeros((64, 80), np.float32)
    return Distribution((256, 320), zeros, np.zeros((64, 80, 2), np.float32), logits)


def decode(found):
    return found.decode(0.5)


def test_average_is_of_log_probabilities_and_forgets():
    picture, followed, given = grey(data.astronaut), None, []
    for seed in range(MEMORY + 3):
        given.append(log_softmax(noisy(seed).logits, axis=-1))
        followed = follow(followed, picture, noisy(seed), decode)
        if seed < MEMORY:
            expected = np.mean(given, axis=0)
        else:
            expected += (given[-1] - expected) / MEMORY
        np.testing.assert_allclose(followed.values, expected, atol=1e-4)
    assert followed.seen.min() == followed.seen.max() == MEMORY
    found = Distribution(
        (256, 320), noisy(0).lightness, noisy(0).ab, expected.astype(np.float32)
    )
    np.testing.assert_allclose(followed.ab, decode(found), atol=1e-2)
    steady, alone = followed.flicker.means()
    assert 0 < steady < alone / 4 and followed.flicker.shots == 1


def test_average_moves_along():
    """By 16 pixels, one sample of the grid, what was seen is found again there."""
    before, now = grey(data.astronaut, 40, 40), grey(data.astronaut, 56, 40)
    first, second = noisy(1), noisy(2)
    followed = follow(follow(None, before, first, decode), now, second, decode)
    a, b = (log_softmax(x.logits, axis=-1) for x in (first, second))
    inner = np.s_[2:-2, 2:-3]
    expected = (a[:, 1:] + b[:, :-1])[inner] / 2
    error = np.abs(np.asarray(followed.values)[:, :-1][inner] - expected).mean(-1)
    assert np.median(error) < 0.1  # and 0.8 where nothing was moved
    assert (np.asarray(followed.seen)[:, -1] == 1).mean() > 0.7  # came in


def test_a_cut_starts_anew():
    first = follow(None, grey(data.astronaut), noisy(1), decode)
    second = follow(first, grey(data.coffee), noisy(2), decode)
    expected = log_softmax(noisy(2).logits, axis=-1)
    np.testing.assert_allclose(second.values, expected, atol=1e-4)
    assert second.flicker.shots == 2 and second.flicker.pixels == 0


def test_what_is_kept_is_all_that_the_next_picture_needs():
    first = follow(None, grey(data.astronaut), noisy(1), decode)
    first = follow(first, grey(data.astronaut), noisy(2), decode)
    again = from_arrays(to_arrays(first))
    for state in (first, again):
        assert state.flicker == first.flicker
    one, other = (
        follow(state, grey(data.astronaut), noisy(3), decode)
        for state in (first, again)
    )
    np.testing.assert_array_equal(one.values, other.values)
    assert one.flicker == other.flicker


@pytest.mark.parametrize(("depth", "full"), [(8, False), (8, True), (10, False)])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_chroma_has_the_colours_that_were_wanted(matrix, depth, full):
    """Read back by ffmpeg's own conversion."""
    coding = Coding(WEIGHTS[matrix], depth, full)
    black, white = coding.black_white
    ramp = np.linspace(
        black + 0.35 * (white - black), black + 0.6 * (white - black), 64
    )
    luma = np.tile(np.round(ramp), (48, 1)).astype(
        np.uint8 if depth == 8 else np.uint16
    )
    wanted = np.array([22.0, -36.0], np.float32)
    lightness = np.full((12, 16), 50, np.float32)
    guide = upsample.fit(lightness, np.broadcast_to(wanted, (12, 16, 2)))
    planes = (luma, *chroma_planes(luma, guide, coding, halved=False))
    frame = av.VideoFrame(64, 48, "yuv444p" if depth == 8 else "yuv444p10le")
    for plane, levels in zip(frame.planes, planes, strict=True):
        plane.update(np.ascontiguousarray(levels).tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    rgb = frame.reformat(format="gbrp", dst_color_range=2).to_ndarray(channel_last=True)
    ab = rgb2lab(rgb)[..., 1:]
    assert np.abs(ab - wanted).mean() < 1.2
    assert np.abs(ab.mean((0, 1)) - wanted).max() < 0.4


def test_colours_out_of_gamut_keep_luma():
    """The planes alone would ask for levels beyond white; they are held back."""
    luma = np.full((8, 8), 225, np.uint8)
    guide = upsample.fit(
        np.full((8, 8), 95, np.float32), np.full((8, 8, 2), 80, np.float32)
    )
    cb, cr = chroma_planes(luma, guide, Coding(WEIGHTS[1]), halved=True)
    assert cb.shape == cr.shape == (4, 4)
    red, blue = WEIGHTS[1]
    y, b, r = (
        (x.astype(float) - n) / d
        for x, n, d in ((luma[:4, :4], 16, 219), (cb, 128, 224), (cr, 128, 224))
    )
    levels = [y + 2 * (1 - red) * r, y + 2 * (1 - blue) * b]
    assert np.max(levels) < 1.01 and np.min(levels) > -0.01
    assert (cr > 130).all()  # still reddish
