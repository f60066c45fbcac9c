"""Interlaced video: which field comes first, and frames made of the fields."""

from collections.abc import Iterable, Iterator
from typing import Literal

import av
from av.error import BlockingIOError, EOFError
from av.filter import Graph

Order = Literal["top", "bottom"]
# AVFieldOrder: the field that is shown first, whichever is coded first
ORDERS: dict[int, Order] = {2: "top", 3: "bottom", 4: "bottom", 5: "top"}


def order_of(stream: av.VideoStream, frame: av.VideoFrame) -> Order | None:
    """The field that is shown first, or None if the video is progressive."""
    order = ORDERS.get(stream.codec_context.field_order)
    if order is None and frame.interlaced_frame:  # DV does not state its order
        return "bottom" if stream.codec_context.name == "dvvideo" else "top"
    return order


def deinterlace(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Progressive frames, one for each interlaced frame, by ffmpeg's `bwdif`."""
    return _filtered(frames, "bwdif", mode="send_frame", deint="all")


def set_order(frames: Iterable[av.VideoFrame], order: Order) -> Iterator[av.VideoFrame]:
    """The frames, marked as interlaced, for an encoder."""
    return _filtered(frames, "setfield", mode={"top": "tff", "bottom": "bff"}[order])


def _filtered(
    frames: Iterable[av.VideoFrame], name: str, **options: str
) -> Iterator[av.VideoFrame]:
    """The frames behind a filter. It begins anew when their layout changes."""
    graph, layout = None, None
    for frame in frames:
        if graph is None or layout != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                graph.vpush(None)
                yield from _pull(graph)
            layout = (frame.width, frame.height, frame.format.name)
            graph = _graph(frame, name, options)
        graph.vpush(frame)
        yield from _pull(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pull(graph)


def _graph(frame: av.VideoFrame, name: str, options: dict[str, str]) -> Graph:
    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base=str(frame.time_base),
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    chain = [source, graph.add(name, **options), graph.add("buffersink")]
    graph.link_nodes(*chain).configure()
    return graph


def _pull(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, EOFError):
            return
