"""Places of nouns and the hints that they become, without the classifier's weights."""

import jax
import numpy as np
import pytest
from golden.clip_tensors import COARSE, clip_tensors, write_clip

from colorjax import words
from colorjax.errors import UserError
from colorjax.hints import Guide, Point, from_json, locate
from colorjax.pretrained.clip import load_clip
from colorjax.words import Box, Pair, Region, Spot, UnsureError, classes
from colorjax.words.grow import grow

RED, BLUE = "#d5202a", "#2457d6"
CAR = Pair("car", (), RED)
SIZE = (60, 90)


def disc(x=0.5, y=0.5, size=(112, 168), radius=0.25):
    """The pixels of a disc; lengths in fractions of the sides, of the short one."""
    rows, columns = ((np.arange(count) + 0.5) for count in size)
    distance = np.hypot((rows - y * size[0])[:, None], columns - x * size[1])
    return distance <= radius * min(size)


def picture(*discs):
    """A grey picture of dark discs on a light ground, with a little noise."""
    grey = np.where(np.any(discs, axis=0), 70, 190)
    noise = np.random.default_rng(0).integers(-9, 10, grey.shape)
    return np.repeat((grey + noise).astype(np.uint8)[..., None], 3, axis=2)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def at_size(region, size):
    return words.places.stacked([region], size)[0][1]


@pytest.fixture
def maps(monkeypatch):
    """Replace the classifier by maps of classes that every noun is near to."""

    def replace(*values, similarity=0.9):
        values = np.stack(values, axis=-1).astype(np.float32)
        monkeypatch.setattr(classes, "class_maps", lambda _: values)
        every = np.arange(values.shape[-1])
        nearest = every, similarity
        monkeypatch.setattr(classes, "nearest_classes", lambda _: nearest)

    return replace


def hill(row, column, height=10.0, shape=(14, 21)):
    rows, columns = np.indices(shape)
    return height * np.exp(-np.hypot(rows - row, columns - column) / 3)


@pytest.mark.parametrize("place", [Box(0.3, 0.2, 0.7, 0.8), Spot(0.48, 0.52)])
def test_a_place_grows_to_the_thing(place):
    thing = disc()
    (region,) = words.locate([CAR], picture(thing), {"car": place})
    assert region.sure and overlap(at_size(region, thing.shape), thing) > 0.8


def test_growing_repeats_itself():
    """OpenCV draws random numbers."""
    random = np.random.default_rng(0)
    lightness = random.integers(0, 256, (64, 96), np.uint8)
    likely = np.where(disc(size=(64, 96)), 0.6, 0.1)
    first, second = (grow(lightness, likely, (0.5, 0.5)) for _ in range(2))
    assert first.any() and (first == second).all()


def test_a_noun_is_found_where_its_classes_agree(maps):
    thing = disc(0.7, 0.4)
    maps(hill(5.6, 14.7), hill(5.6, 14.7))
    (region,) = words.locate([CAR], picture(thing))
    assert region.sure and region.center == pytest.approx((0.7, 0.4), abs=0.05)
    assert overlap(at_size(region, thing.shape), thing) > 0.6


@pytest.mark.parametrize(
    "values",
    [
        [hill(row, column, 5) for row in (1, 7, 12) for column in (1, 10, 19)],
        [hill(5, 5, 0.5)] * 9,
    ],
)
def test_it_is_not_sure_where_classes_disagree_or_are_weak(values, maps):
    maps(*values)
    (region,) = words.locate([CAR], picture(disc()))
    assert not region.sure


def test_it_is_not_sure_of_a_noun_that_no_class_is_similar_to(maps):
    maps(*[hill(7, 10)] * 9, similarity=0.5)
    (region,) = words.locate([Pair("zorp", (), RED)], picture(disc()))
    assert not region.sure


def test_a_thing_may_fill_the_picture(maps):
    maps(*[hill(7, 10, 0.1) + 10] * 9)
    (region,) = words.locate([CAR], picture(disc()))
    assert region.mask.all()


def test_clip_finds_the_patch_that_is_nearest_to_the_noun(tmp_path):
    """With random weights, against the towers alone. It is never sure."""
    file = write_clip(tmp_path, clip_tensors(COARSE))
    shown, clip = picture(disc()), load_clip(file)
    rgb = np.repeat(np.float32(shown[None, ..., :1]) / 255, 3, axis=-1)
    rgb = jax.image.resize(rgb, (1, 448, 640, 3), "linear")
    apply = jax.jit(clip.image.apply, static_argnames="places")
    vectors = apply(clip.image_variables, rgb, places=True)[0]
    texts = ["a photo of a cat", "a photo", "a photo of a thing"]
    texts = clip.encode([*texts, "a photo of a background"])
    cosines = vectors @ texts.T / np.linalg.norm(vectors, axis=-1, keepdims=True)
    odds = 100 * (cosines[..., 0] - cosines[..., 1:].max(-1))[:, 10:]
    row, column = np.unravel_index(odds.argmax(), odds.shape)
    pair = Pair("cat", ("right",), RED)
    (region,) = words.locate([pair], shown, finder=words.clip_finder(file))
    x, y = (column + 10.5) / 20, (row + 0.5) / 14
    assert region.center == pytest.approx((x, y)) and not region.sure
    assert region.certainty == pytest.approx(odds.max(), abs=0.5)


def test_clip_with_other_patches_is_refused(tmp_path):
    file = write_clip(tmp_path, clip_tensors())
    with pytest.raises(UserError, match="has patches of 4 pixels; places need those"):
        words.clip_finder(file)


def test_sides_narrow_the_place(maps):
    both = hill(7, 5, 8) + hill(7, 16, 10)
    maps(both, both)
    pairs = words.parse("left flower yellow, right flower blue")
    things = [disc(0.25), disc(0.75)]
    regions = words.locate(pairs, picture(*things))
    for region, thing in zip(regions, things, strict=True):
        mask = at_size(region, thing.shape)
        assert mask.sum() > 100 and (mask & thing).sum() > 0.9 * mask.sum()


def test_the_whole_picture_and_its_sides():
    pairs = words.parse("everything red, the left side of the picture blue")
    whole, left = words.locate(pairs, picture(disc()))
    assert whole.mask.all() and left.mask.mean() == 0.5 and left.mask[:, 0].all()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"bus": Spot(0.5, 0.5)}, "'bus' is no noun of the text; it has 'car'"),
        ({"car": Spot(1.5, 0.5)}, "'car' is not inside the picture"),
        ({"car": Box(0.6, 0.2, 0.4, 0.8)}, "from upper left to lower right"),
    ],
)
def test_wrong_places(places, message):
    with pytest.raises(UserError, match=message):
        words.locate([CAR], picture(disc()), places)


def region(mask, color=RED, name="car", **fields):
    y, x = (axis.mean() / n for axis, n in zip(mask.nonzero(), mask.shape, strict=True))
    return Region(Pair(name, (), color), mask, (float(x), float(y)), **fields)


def levels(guide, x, y):
    assert guide.strokes is not None
    return tuple(guide.strokes[int(y * SIZE[0]), int(x * SIZE[1])])


def test_strokes_fill_the_regions_the_smaller_in_front():
    window, car = disc(radius=0.1), disc(radius=0.4)
    regions = [region(window, BLUE, name="window"), region(car)]
    guide = words.to_guide(regions, SIZE)
    assert levels(guide, 0.5, 0.5) == (*bytes.fromhex(BLUE[1:]), 255)
    assert levels(guide, 0.5, 0.2) == (*bytes.fromhex(RED[1:]), 255)
    assert levels(guide, 0.02, 0.02)[3] == 0
    again = from_json(guide.to_json())
    np.testing.assert_array_equal(again.strokes, guide.strokes)


def test_hints_win_over_text():
    strokes = np.zeros((*SIZE, 4), np.uint8)
    strokes[35:40, 40:50] = 9, 8, 7, 255
    hints = Guide([Point(0.5, 0.4, BLUE, 0.1), Point(0.0, 0.0, BLUE)], strokes)
    car = region(disc(radius=0.4))
    guide = words.to_guide([car], SIZE, hints)
    assert guide.points == hints.points and guide.only_here
    assert levels(guide, 0.5, 0.4)[3] == 0
    assert levels(guide, 0.5, 0.62) == (9, 8, 7, 255)
    assert levels(guide, 0.4, 0.25)[:3] == tuple(bytes.fromhex(RED[1:]))
    assert words.overruled([car], hints, SIZE) == ["car"]
    assert words.overruled([car], Guide([Point(0.0, 0.0, BLUE)]), SIZE) == []


def test_an_unsure_place_is_a_question():
    regions = [region(disc(0.3, 0.6), certainty=0.1), region(disc(), name="sky")]
    message = (
        "not sure where to find the car, perhaps at 30%,60%; give a box or a point"
    )
    with pytest.raises(UnsureError, match=message) as caught:
        words.to_guide(regions, SIZE)
    assert caught.value.regions == regions
    drawing = words.draw(picture(disc()), regions)
    red, green, blue = drawing[56, 84].astype(int)
    assert red > green + 20 and red > blue + 20


def test_a_dark_yellow_is_olive():
    """The color is resolved at the L of each pixel."""
    guide = words.to_guide([region(disc(), "#f5d000")], SIZE)
    lightness = np.full((32, 48), 20, np.float32)
    own = locate(guide, SIZE, lightness).local[16, 24]
    hue = np.degrees(np.arctan2(own[1], own[0]))
    assert 85 < hue < 110 and 15 < np.hypot(own[0], own[1]) < 40
