"""Hints: what they change, that they are met, and which are refused."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import scene
from skimage.color import rgb2lab

from colorjax import hints, images
from colorjax.color import lab_to_rgb
from colorjax.errors import UserError
from colorjax.hints import Box, Guide, Point, histogram, locate
from colorjax.inference.decode import decode, uncertainty
from colorjax.inference.distribution import Distribution
from colorjax.inference.likeness import liken
from colorjax.quantize import Q, ab_bins

SIZE = (96, 160)
WORKING = (48, 80)
PICTURE = np.repeat(scene(1, 160)[: SIZE[0], :, 1:2], 3, axis=2)
BLUE, RED = "#3355cc", "#cc4433"
BOX = {"x0": 0.2, "y0": 0, "x1": 0.8, "y1": 1, "color": BLUE}


def distribution(logits=True, lightness=None, **fields):
    """A prediction that knows nothing, for `PICTURE` or for an L of its own."""
    if lightness is None:
        small = images.resize(PICTURE, WORKING)
        lightness = np.float32(rgb2lab(small)[..., 0])
    grid = np.zeros((12, 20, Q), np.float32) if logits else None
    ab = np.full((*WORKING, 2), 5, np.float32)
    return Distribution(SIZE, lightness, ab, grid, 4, **fields)


def ab_of(color):
    levels = np.uint8([[list(bytes.fromhex(color[1:]))]])
    return rgb2lab(levels)[0, 0, 1:]


def at(ab, x, y):
    """ab at a place in fractions of the sides."""
    return ab[int(y * ab.shape[0]), int(x * ab.shape[1])]


@pytest.fixture
def halves():
    """L of a picture that is darker on its right side."""
    lightness = np.full(WORKING, 75, np.float32)
    lightness[:, 40:] = 30
    return lightness


def test_a_hint_overrules_a_network_that_is_sure():
    even = np.full(WORKING, 50, np.float32)
    plain = distribution(lightness=even)
    sure = np.zeros_like(plain.logits)
    sure[..., Q // 2] = 1000
    ab = replace(plain, logits=sure).decode(hints=Guide([Point(0.5, 0.5, BLUE)]))
    blue = hints.locate(Guide([Point(0.5, 0.5, BLUE)]), SIZE, even).ab[0]
    np.testing.assert_allclose(at(ab, 0.56, 0.5), blue, atol=3)


@pytest.mark.parametrize("logits", [True, False])
def test_a_hint_colors_what_is_as_light(logits, halves):
    plain = distribution(logits, halves)
    ab = plain.decode(hints=Guide([Point(0.1, 0.5, BLUE)]))
    blue = hints.locate(Guide([Point(0.1, 0.5, BLUE)]), SIZE, halves).ab[0]
    np.testing.assert_allclose(at(ab, 0.1, 0.5), blue, atol=1e-3)
    near, beyond = (np.linalg.norm(at(ab, x, 0.5) - blue) for x in (0.3, 0.6))
    assert near < 15 and beyond > 30


def test_near_a_hint_the_own_colors_of_the_network_count_less():
    """And they count as before where the hint does not reach."""
    lightness = np.full(WORKING, 50, np.float32)
    lightness[:, 60:] = 100
    plain = replace(distribution(False, lightness), stride=1)
    ab = plain.ab.copy()
    ab[20:24, 30:34] += 20
    ab[20:24, 70:74] += 20
    guide = Guide([Point(0.3, 0.5, BLUE)])
    change = replace(plain, ab=ab).decode(hints=guide) - plain.decode(hints=guide)
    np.testing.assert_allclose(change[22, 32], 12, atol=1)
    np.testing.assert_allclose(change[22, 72], 20, atol=0.1)


def test_l_is_ignored_and_the_gamut_holds(halves):
    guide = Guide([Point(0.2, 0.5, "#ff0000"), Point(0.8, 0.5, "#ff0000")])
    light, dark = locate(guide, SIZE, halves).ab
    red = ab_of("#ff0000")
    for ab, lightness in ((light, 75), (dark, 30)):
        assert np.linalg.norm(ab) < np.linalg.norm(red)
        assert abs(np.arctan2(*ab) - np.arctan2(*red)) < 1e-3  # the same hue
        lab = np.float32([lightness, *ab])
        back = rgb2lab(np.asarray(lab_to_rgb(jnp.asarray(lab)))[None, None])[0, 0]
        np.testing.assert_allclose(back, lab, atol=0.1)


def test_neutral_is_grey():
    ab = distribution(logits=False).decode(hints=Guide([Point(0.5, 0.5, "neutral")]))
    np.testing.assert_allclose(at(ab, 0.5, 0.5), 0, atol=0.01)


@pytest.mark.parametrize("logits", [True, False])
def test_order_has_no_effect(logits):
    random = np.random.default_rng(0)
    colors = ["#" + bytes(c).hex() for c in random.integers(0, 256, (20, 3), np.uint8)]
    places = random.uniform(size=(20, 2)).tolist()
    points = [Point(*xy, c, 0.1) for xy, c in zip(places, colors, strict=True)]
    first = distribution(logits).decode(hints=Guide(points))
    second = distribution(logits).decode(hints=Guide(points[::-1]))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("saturation", [1.0, 0.5])
def test_the_result_has_the_color_whatever_the_saturation(saturation):
    guide = Guide([Point(0.5, 0.8, "#8c6f5a", 0.1)])
    colored = decode(distribution(), PICTURE, saturation=saturation, hints=guide)
    lab = rgb2lab(colored)
    np.testing.assert_allclose(at(lab, 0.5, 0.8)[1:], ab_of("#8c6f5a"), atol=1.5)
    np.testing.assert_allclose(lab[..., 0], rgb2lab(PICTURE)[..., 0], atol=1)


def test_only_here_leaves_the_rest(halves):
    guide = Guide([Point(0.5, 0.5, RED, 0.1)], only_here=True)
    ab = distribution(False, halves).decode(hints=guide)
    weight = locate(guide, SIZE, halves).local[..., 2]
    assert 0 < (weight > 0).mean() < 0.1
    np.testing.assert_array_equal(ab[weight == 0], 5)


def test_hints_reduce_the_entropy_and_move_the_next_place():
    guide = Guide([Point(0.3, 0.8, RED), Point(0.8, 0.1, BLUE)])
    plain = distribution()
    before, after = plain.entropy(), plain.entropy(guide)
    assert (after <= before + 1e-4).all() and after.mean() < 0.8 * before.mean()
    assert at(after, 0.3, 0.8) == 0
    assert plain.hint_locations(1) != plain.hint_locations(1, guide)
    assert (uncertainty(plain, 1) != uncertainty(plain, 1, guide)).any()


def test_strokes_are_their_opaque_pixels():
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[40:43, 20:60] = 51, 85, 204, 255
    strokes[80:, 100:] = 255, 0, 0, 254
    found = locate(Guide(strokes=strokes), SIZE, distribution().lightness)
    pinned = found.local[..., 2] == 1
    assert set(np.argwhere(pinned)[:, 0]) == {20, 21}
    assert set(np.argwhere(pinned)[:, 1]) == set(range(10, 30))
    assert 5 <= len(found.ab) <= 30
    ab = distribution().decode(hints=Guide(strokes=strokes))
    np.testing.assert_allclose(ab[pinned], found.local[pinned][:, :2], atol=1e-3)


@pytest.mark.parametrize("size", [(96, 160), (12, 20)])
def test_a_box_is_the_pixels_inside_at_every_size(size):
    box = Box(0.25, 0.5, 0.5, 1.0, BLUE)
    located = locate(Guide(boxes=[box]), SIZE, np.full(size, 50, np.float32))
    inside = np.zeros(size, bool)
    inside[size[0] // 2 :, size[1] // 4 : size[1] // 2] = True
    np.testing.assert_array_equal(located.local[..., 2], inside)
    assert 1 <= len(located.ab) <= 100 and (located.local[inside][:, 1] < -20).all()
    narrow = Guide(boxes=[Box(0.501, 0.5, 0.502, 0.501, BLUE)])
    assert locate(narrow, SIZE, np.full(size, 50, np.float32)).local[..., 2].sum() == 1


def test_a_box_has_its_color_and_spreads(halves):
    guide = Guide(boxes=[Box(0.1, 0.4, 0.2, 0.6, BLUE)])
    ab = distribution(False, halves).decode(hints=guide)
    assert at(ab, 0.15, 0.5)[1] < -20 and at(ab, 0.3, 0.5)[1] < -15
    assert at(ab, 0.9, 0.5)[1] > 0  # the other half is darker


def test_strokes_of_noise_are_a_bounded_number_of_hints():
    levels = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), np.uint8)
    levels[..., 3] = 255
    lightness = np.full(SIZE, 60, np.float32)
    found = locate(Guide(strokes=levels), SIZE, lightness)
    assert 100 < len(found.ab) <= 1000
    assert found.local[..., :2].std() > 20  # each pixel keeps its color


def test_what_is_joined_later_wins():
    strokes = np.full((*SIZE, 4), (51, 85, 204, 255), np.uint8)
    painted = Guide(strokes=strokes)
    joined = painted.joined(Guide([Point(0.5, 0.5, RED, 0.2)]))
    assert not joined.opaque()[48, 80] and joined.opaque()[5, 5]
    ab = locate(joined, SIZE, distribution().lightness).local
    assert at(ab, 0.5, 0.5)[0] > 20 and at(ab, 0.1, 0.1)[1] < -20
    assert painted.joined(Guide([Point(0.5, 0.5, RED, 1.0)])).strokes is None


def test_a_point_lies_on_a_box_and_a_small_box_on_a_large_one():
    boxes = [Box(0.25, 0.25, 0.5, 0.5, RED), Box(0.0, 0.0, 1.0, 1.0, BLUE)]
    both = Guide([Point(0.75, 0.75, RED, 0.1)], boxes=boxes)
    light = np.full(WORKING, 60, np.float32)
    for guide in (both, both.without_boxes(SIZE)):
        ab = locate(guide, SIZE, light).local
        assert (ab[..., 2] == 1).all()
        for x, y, is_red in ((0.3, 0.3, True), (0.75, 0.75, True), (0.9, 0.1, False)):
            assert (at(ab, x, y)[1] > 0) == is_red, (x, y)
    assert not both.without_boxes(SIZE).boxes


def test_a_box_that_is_joined_later_wins():
    box = Guide(boxes=[Box(0.4, 0.4, 0.6, 0.6, RED)])
    painted = Guide(strokes=np.full((*SIZE, 4), (51, 85, 204, 255), np.uint8))
    for before in (painted, Guide([Point(0.5, 0.5, BLUE), Point(0.1, 0.1, BLUE)])):
        ab = locate(before.joined(box), SIZE, distribution().lightness).local
        assert at(ab, 0.5, 0.5)[0] > 20 and at(ab, 0.1, 0.1)[1] < -20


def test_json_and_back(tmp_path):
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[3:9, 5:20] = 10, 200, 30, 255
    points = [Point(0.1, 0.2, BLUE), Point(0.3, 1 / 3, "neutral", 0.2)]
    exemplar = scene(2, 320)[:300]
    boxes = [Box(0.1, 0.2, 0.3, 1.0, "neutral")]
    rest = dict(palette=[RED, " " + BLUE], exemplar=exemplar)
    guide = Guide(points, strokes, boxes, **rest)
    (tmp_path / "guide.json").write_text(guide.to_json())
    again = hints.load(tmp_path / "guide.json")
    assert again.points == guide.points and again.only_here is False
    assert again.boxes == guide.boxes == tuple(boxes)
    assert again.palette == (RED, BLUE) and again.exemplar.shape == (256, 273, 3)
    assert again.to_json() == guide.to_json()
    np.testing.assert_array_equal(again.strokes, strokes)
    np.testing.assert_array_equal(again.exemplar, guide.exemplar)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "a list, expected a mapping"),
        ({"dots": []}, "no such key as 'dots'"),
        ({"points": 3}, "not of type list"),
        ({"points": [3]}, "a int, expected a mapping"),
        ({"points": [{"x": 0.5, "y": 0.5}]}, "color is missing"),
        ({"points": [{"x": "a", "y": 0.5, "color": BLUE}]}, "not of type float"),
        ({"points": [{"x": 1.2, "y": 0.5, "color": BLUE}]}, "outside of the picture"),
        ({"points": [{"x": 1.0, "y": 0.5, "color": "red"}]}, "'red' is no color"),
        ({"points": [{"x": 1, "y": 1, "color": BLUE, "radius": -1}]}, "radius"),
        ({"points": []}, "no hints"),
        ({"boxes": {}}, "boxes is .* not of type list"),
        ({"boxes": [BOX | {"x1": 1.5}]}, "the box 20%,0%,150%,100% is outside"),
        ({"boxes": [BOX | {"x1": 0.2}]}, "from its upper left to its lower right"),
        ({"boxes": [BOX | {"color": "red"}]}, "'red' is no color"),
        ({"boxes": [BOX | {"radius": 1}]}, "no such key as 'radius'"),
        ({"boxes": [{"x0": 0}]}, "y0 is missing"),
        ({"palette": BLUE}, "palette is .* not of type list"),
        ({"palette": ["red"]}, "palette: 'red' is no color; write colors as"),
        ({"palette": [3]}, "palette: '3' is no color"),
        ({"exemplar": "!"}, "exemplar: no picture"),
        ({"strokes": "!"}, "strokes: no picture"),
        ({"strokes": "AAAA"}, "strokes"),
        ({"points": [], "only_here": "yes"}, "not of type bool"),
    ],
)
def test_json_of_something_else(values, message, tmp_path):
    path = tmp_path / "guide.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match=message) as error:
        hints.load(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_files_of_something_else(tmp_path):
    (tmp_path / "a.json").write_text("{")
    images.write(tmp_path / "opaque.png", PICTURE)
    images.write(tmp_path / "empty.png", np.zeros((*SIZE, 4), np.uint8))
    messages = {
        "a.json": "not JSON",
        "a.txt": "hints are in a file .json",
        "opaque.png": "no transparent pixels",
        "empty.png": "no opaque pixel",
        "missing.png": "No such file",
    }
    for name, message in messages.items():
        with pytest.raises(UserError, match=message):
            hints.load(tmp_path / name)
    small = Guide(strokes=np.full((10, 10, 4), 255, np.uint8))
    with pytest.raises(UserError, match="10x10 pixels and the picture 160x96"):
        decode(distribution(), PICTURE, hints=small)


# ---- Colors without a place.


def exemplar(color):
    """A picture of one color and its darker and lighter versions."""
    levels = np.linspace(0.5, 1, 64)[:, None] * np.array(list(bytes.fromhex(color[1:])))
    return np.repeat(np.uint8(levels)[None], 64, axis=0)


@pytest.mark.parametrize("saturation", [1.0, 1.25])
def test_an_exemplar_gives_its_colors(saturation):
    random = np.random.default_rng(0)
    logits = random.normal(size=(12, 20, Q)).astype(np.float32)
    plain = replace(distribution(), logits=logits, saturation=saturation)
    ab = plain.decode(hints=Guide(exemplar=exemplar(BLUE)))
    blue, red = (histogram(exemplar(color)) @ ab_bins() for color in (BLUE, RED))
    before, after = (saturation * x.mean((0, 1)) for x in (plain.decode(1.0), ab))
    assert np.linalg.norm(after - blue) < 0.3 * np.linalg.norm(before - blue)
    assert np.linalg.norm(after - blue) < 0.3 * np.linalg.norm(after - red)


def test_an_exemplar_leaves_hints_exact(halves):
    guide = Guide([Point(0.2, 0.5, RED)], exemplar=exemplar(BLUE))
    asked = locate(guide, SIZE, halves).ab[0]
    ab = distribution(True, halves).decode(hints=guide)
    np.testing.assert_allclose(at(ab, 0.2, 0.5), asked, atol=1e-3)
    assert at(ab, 0.9, 0.5)[1] < -20


def test_an_exemplar_needs_a_distribution():
    guide = Guide(exemplar=exemplar(BLUE))
    with pytest.raises(UserError, match="one color per pixel.*an exemplar"):
        distribution(logits=False).decode(hints=guide)


def test_an_exemplar_gives_its_colors_to_similar_places(halves):
    """Light places of the exemplar are blue and dark ones red; the picture, too, has a
    light half and a dark one."""
    exemplar = np.zeros((64, 64, 3), np.uint8)
    exemplar[:32], exemplar[32:] = (150, 170, 255), (130, 40, 30)
    guide = Guide(exemplar=exemplar)

    def features(lightness):
        places = jnp.asarray(lightness)[:, ::8, ::8] / 100
        return jnp.concatenate([jnp.cos(3 * places), jnp.sin(3 * places)], axis=-1)

    plain = distribution(True, halves)
    same = plain.decode(hints=guide)
    np.testing.assert_allclose(at(same, 0.1, 0.5), at(same, 0.9, 0.5), atol=1e-3)
    likened = liken(plain, guide, features)
    light, dark = (at(likened.decode(hints=guide), x, 0.5) for x in (0.1, 0.9))
    assert light[1] < -20 and dark[1] > 5 and dark[0] > light[0]
    other = Guide(exemplar=exemplar[::-1])  # it was not likened to this one
    ab = likened.decode(hints=other)
    np.testing.assert_allclose(at(ab, 0.1, 0.5), at(ab, 0.9, 0.5), atol=1e-3)
    assert liken(plain, guide, None) is plain

    def unlike(lightness):
        own = jnp.eye(2)[int(lightness.shape[1] == WORKING[0])]
        return jnp.broadcast_to(own, (*features(lightness).shape[:3], 2))

    ab = liken(plain, guide, unlike).decode(hints=guide)
    np.testing.assert_array_equal(ab, same)
