"""Hints on film: they follow the motion until the next cut."""

import argparse
import itertools
from unittest.mock import Mock

import numpy as np
import pytest
from clips import grey
from skimage import data

from colorjax.apps.video import hinting
from colorjax.apps.video.flow import optical_flow
from colorjax.apps.video.following import Follower, Timed
from colorjax.apps.video.reader import Video
from colorjax.hints import Box, Guide, Point

BLUE = "#3355cc"
SIZE = 256, 320


@pytest.fixture(scope="module")
def flows():
    """The flow along a pan by 8 and 4 pixels, at a quarter of the size."""
    frames = [grey(data.astronaut, 40 + 8 * i, 40 + 4 * i) for i in range(5)]
    return [optical_flow(*pair, factor=4) for pair in itertools.pairwise(frames)]


def test_a_point_follows_a_pan_from_its_time_to_a_cut(flows):
    follower = Follower([Timed(0.05, Guide([Point(0.5, 0.5, BLUE)]))])
    follower.advance(0.0, None)
    assert follower.guide is None
    follower.advance(0.1, flows[0])
    for i, flow in enumerate(flows[1:], start=1):
        follower.advance(0.1 + 0.1 * i, flow)
        (point,) = follower.guide.points
        expected = 0.5 - i * np.array([8 / SIZE[1], 4 / SIZE[0]])
        np.testing.assert_allclose((point.x, point.y), expected, atol=0.01)
    follower.advance(1.0, None)
    assert follower.guide is None and not follower.waiting


def test_strokes_follow_a_pan(flows):
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[100:140, 150:200] = 51, 85, 204, 255
    follower = Follower([Timed(0.0, Guide(strokes=strokes))])
    follower.advance(0.0, None)
    for flow in flows:
        follower.advance(1.0, flow)
    moved = np.argwhere(follower.guide.opaque())
    np.testing.assert_allclose(moved.mean(0), (119.5 - 16, 174.5 - 32), atol=2)
    assert abs(len(moved) - 40 * 50) < 300


def test_a_box_of_a_file_follows_a_pan(flows, tmp_path):
    box = Guide(boxes=[Box(150 / 320, 100 / 256, 200 / 320, 140 / 256, BLUE)])
    (tmp_path / "box.json").write_text(box.to_json())
    parser = argparse.ArgumentParser()
    hinting.add_arguments(parser.add_argument)
    hinting.add_text_arguments(parser.add_argument)
    parser.set_defaults(palette=None)
    args = parser.parse_args(["--hints", f"0@{tmp_path / 'box.json'}"])
    follower = hinting.follower(args, Mock(spec=Video, size=SIZE))
    follower.advance(0.0, None)
    for flow in flows:
        follower.advance(1.0, flow)
    moved = np.argwhere(follower.guide.opaque())
    np.testing.assert_allclose(moved.mean(0), (119.5 - 16, 174.5 - 32), atol=2)


def test_a_point_that_leaves_the_frame_ends(flows):
    follower = Follower([Timed(0.0, Guide([Point(0.01, 0.5, BLUE)]))])
    follower.advance(0.0, None)
    for flow in flows:
        follower.advance(1.0, flow)
    assert follower.guide is None


def test_what_all_frames_are_asked_for_stays(flows):
    palette = Guide(palette=[BLUE])
    follower = Follower([Timed(0.0, Guide([Point(0.01, 0.5, BLUE)]))], palette)
    follower.advance(0.0, None)
    assert follower.guide.points and follower.guide.palette == (BLUE,)
    for flow in [*flows, None]:
        follower.advance(1.0, flow)
        assert follower.guide.palette == (BLUE,)
    assert not follower.guide.points


def test_a_saved_state_goes_on_the_same(flows):
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[100:140, 150:200] = 51, 85, 204, 255
    timed = [
        Timed(0.0, Guide([Point(0.5, 0.5, BLUE)], strokes)),
        Timed(2.0, Guide([Point(0.7, 0.7, BLUE)])),
    ]
    first, second = Follower(timed), Follower(timed)
    first.advance(0.0, None)
    first.advance(1.0, flows[0])
    second.restore(first.to_arrays())
    for follower in (first, second):
        follower.advance(2.0, flows[1])
        follower.advance(3.0, flows[2])
    assert len(second.guide.points) == 2
    assert second.guide.to_json() == first.guide.to_json()


def test_strokes_that_were_just_given_survive_a_saved_state(flows):
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[100:140, 150:200] = 51, 85, 204, 255
    timed = [Timed(0.0, Guide(strokes=strokes))]
    first, second = Follower(timed), Follower(timed)
    first.advance(0.0, None)
    second.restore(first.to_arrays())
    for follower in (first, second):
        follower.advance(1.0, flows[0])
    assert second.guide.to_json() == first.guide.to_json()


def test_a_later_point_wins_over_earlier_strokes(flows):
    strokes = np.full((*SIZE, 4), (51, 85, 204, 255), np.uint8)
    later = Guide([Point(0.5, 0.5, "#aa5533", 0.1)])
    follower = Follower([Timed(0.0, Guide(strokes=strokes)), Timed(1.0, later)])
    follower.advance(0.0, None)
    for flow in flows[:2]:
        follower.advance(1.0, flow)
    opaque = follower.guide.opaque()
    assert len(follower.guide.points) == 1
    assert not opaque[124, 152] and opaque[124, 200]
