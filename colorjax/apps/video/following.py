"""Hints for a film: each is given at a time, and then follows the motion.

A hint moves along the optical flow until the next cut. It ends earlier where its place
is covered or leaves the frame, because no trusted flow leads on from there.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from colorjax import hints, images
from colorjax.apps.video.flow import Flow, warp
from colorjax.hints import Guide, Point
from colorjax.images import Picture

NEAR = 2.0  # pixels of the flow: a point follows a pixel that came from this near to it


class Timed(NamedTuple):
    """Hints that are given on the first frame from a time in seconds on."""

    time: float
    guide: Guide


class Follower:
    """The hints on the current frame of a film, from its first frame to its last.

    `guide` has all that this frame is asked for. `waiting` are the hints whose time has
    not come.
    """

    def __init__(self, timed: list[Timed], always: Guide | None = None):
        """`always` is what all frames are asked for, a palette or an exemplar."""
        self.waiting = sorted(timed, key=lambda own: own.time)
        self.guide = self.always = always
        # For each pixel its place, x and y, on the frame of the strokes, in fractions
        # of the sides, and whether it was in sight from there to here.
        self._origin: Float[np.ndarray, "h w 3"] | None = None
        self._strokes: Picture | None = None  # as they were given

    def advance(self, time: float, flow: Flow | None) -> None:
        """Go to the next frame, whose time is in seconds.

        `flow` leads back to the frame before; it is None where a shot begins.
        """
        if flow is None:
            self.guide, self._origin = self.always, None
        elif self.guide is not None and self.guide.has_places:
            self._move(flow)
        while self.waiting and self.waiting[0].time <= time:
            guide = self.waiting.pop(0).guide
            self.guide = guide if self.guide is None else self.guide.joined(guide)
            self._strokes, self._origin = self.guide.strokes, None

    def _move(self, flow: Flow) -> None:
        """Move the points and the strokes of the guide along the flow."""
        assert self.guide is not None
        strokes = None
        if self.guide.strokes is not None and self._strokes is not None:
            origin = _places(flow) if self._origin is None else self._origin
            origin = np.array(warp(origin, flow.vectors))
            origin[..., 2] *= flow.trusted
            strokes, self._origin = _moved_strokes(self._strokes, origin), origin
        points = _moved_points(self.guide.points, flow)
        rest = self.guide.palette or self.guide.exemplar is not None
        if points or strokes is not None or rest:
            moved = dict(points=points, strokes=strokes)
            self.guide = dataclasses.replace(self.guide, **moved)
        else:
            self.guide = None

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The state as arrays, which `restore` reads."""
        guides = {"guide": self.guide}
        if self._strokes is not None and self._origin is not None:
            guides["strokes"] = Guide(strokes=self._strokes)
        arrays = {
            f"hints.{name}": np.asarray("" if guide is None else guide.to_json())
            for name, guide in guides.items()
        }
        if self._origin is not None:
            arrays["hints.origin"] = self._origin
        return arrays | {"hints.waiting": np.asarray(len(self.waiting))}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over the state that `to_arrays` gave for the same hints."""
        text = str(arrays["hints.guide"])
        self.guide = hints.from_json(text) if text else None
        self._origin = arrays.get("hints.origin")
        self._strokes = self.guide and self.guide.strokes
        if "hints.strokes" in arrays:
            self._strokes = hints.from_json(str(arrays["hints.strokes"])).strokes
        count = int(arrays["hints.waiting"])
        self.waiting = self.waiting[len(self.waiting) - count :]


def _places(flow: Flow) -> Float[np.ndarray, "h w 3"]:
    """The place of each pixel in fractions of the sides, and 1, which says that it is
    in sight."""
    height, width = flow.trusted.shape
    y, x = (np.arange(count) + np.float32(0.5) for count in (height, width))
    places = np.meshgrid(x / np.float32(width), y / np.float32(height))
    return np.stack([*places, np.ones_like(places[0])], axis=-1).astype(np.float32)


def _moved_strokes(
    strokes: Picture, origin: Float[np.ndarray, "h2 w2 3"]
) -> Picture | None:
    """The strokes, moved with the pixels that they were drawn on; None if none is in
    sight."""
    height, width = strokes.shape[:2]
    planes = (
        images.resize(plane, (height, width)) for plane in np.moveaxis(origin, 2, 0)
    )
    x, y, seen = planes
    columns = np.clip((x * width).astype(int), 0, width - 1)
    rows = np.clip((y * height).astype(int), 0, height - 1)
    moved = strokes[rows, columns] * (seen > 0.5)[..., None].astype(np.uint8)
    return moved if (moved[..., 3] == 255).any() else None


def _moved_points(points: Sequence[Point], flow: Flow) -> list[Point]:
    """The points that are still in sight, where they are on the next frame."""
    height, width = flow.trusted.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    moved = []
    for point in points:
        place = point.x * width - 0.5, point.y * height - 0.5
        offsets = place - (grid + flow.vectors)  # from where each pixel was before
        distance = np.where(flow.trusted, np.linalg.norm(offsets, axis=-1), np.inf)
        nearest = np.unravel_index(distance.argmin(), distance.shape)
        x, y = (grid + offsets)[nearest] + 0.5
        if distance[nearest] <= NEAR and 0 <= x <= width and 0 <= y <= height:
            here = dict(x=float(x / width), y=float(y / height))
            moved.append(dataclasses.replace(point, **here))
    return moved
