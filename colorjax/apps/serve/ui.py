"""The Gradio page of `colorjax serve`: `build`.

This module connects the components of `layout` to the handlers of `events`.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from colorjax.apps.serve.events import Events, other_seeds, reports_errors
from colorjax.apps.serve.hinting import HintEvents
from colorjax.apps.serve.layout import WEB, Components, lay_out

FULL_SIZE_LIMIT, PREVIEW_LIMIT = 2, 4  # handlers of all pages that run at a time
CLOSE_HINTS = "() => { document.querySelector('#guide .hints').open = false }"
PRESS = "() => document.querySelector('#file').click()"
ANSWER = """(detail) => document.querySelector('#guide .hints')
    .dispatchEvent(new CustomEvent('answer', { detail, bubbles: true }))"""
QUEUE = 100  # events that may wait for a handler; further ones are refused


def build(events: Events) -> gr.Blocks:
    """The page. Gradio runs each handler in a thread of its own."""
    with gr.Blocks(title="colorjax", analytics_enabled=False) as page:
        views = events.views
        components = lay_out(
            list(views.colorizers), views.temperature, views.saturation
        )
        components.drop.async_move_resource_to_block_cache = _check_upload
        _connect_pictures(events, components)
        _connect_controls(events, components)
        _connect_downloads(events, components)
        _connect_hints(HintEvents(events.sessions, views), events, components)
        page.load(
            reports_errors(events.restore),
            components.tab,
            components.view,
            js=(WEB / "page.js").read_text(),
            **_full_size(),
        )
        page.unload(events.close)
    page.queue(max_size=QUEUE, api_open=False)
    return page


async def _check_upload(url_or_file_path: str | Path | None) -> str | None:
    """The path of an upload. Gradio has checked that it is an upload, unless it is an
    address: Gradio would fetch an address, from any host."""
    if url_or_file_path is None or not Path(url_or_file_path).is_file():
        raise gr.Error("only uploads are accepted", print_exception=False)
    return str(url_or_file_path)


def _full_size() -> dict[str, Any]:
    """Options of events that run the network or write files at full size."""
    return dict(
        concurrency_id="full size",
        concurrency_limit=FULL_SIZE_LIMIT,
        api_visibility="private",
    )


def _live() -> dict[str, Any]:
    """Options of events that render a preview while a visitor moves a control."""
    return dict(
        concurrency_id="previews",
        concurrency_limit=PREVIEW_LIMIT,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="minimal",  # page.css shows it after a second
    )


def _connect_pictures(events: Events, components: Components) -> None:
    """Connect the components that add, choose and remove pictures."""
    drop, examples, _, stage, panel, *_ = components
    view, options = components.view, _full_size()
    new = [panel.run, panel.saturation]
    drop.upload(
        reports_errors(events.open), [drop, *new], [drop, *view], **options
    ).failure(None, outputs=drop, js="() => null")
    examples.select(reports_errors(events.example), new, view, **options)
    comparison = panel.comparison
    stage.album.select(reports_errors(events.choose), comparison, view, **options)
    panel.remove.click(reports_errors(events.remove), comparison, view, **options)
    chosen = [comparison, panel.run]
    panel.run.input(reports_errors(events.switch), chosen, view, **options)


def _connect_controls(events: Events, components: Components) -> None:
    """Connect the components that change the colors of the picture."""
    *_, stage, panel, _, seeds, seed = components
    settings = [panel.run, panel.temperature, panel.saturation]
    shown, options = [stage.pair, panel.command], _live()
    draw = reports_errors(events.draw)
    moved = [panel.temperature.input, panel.saturation.input, panel.comparison.input]
    gr.on(
        moved,
        reports_errors(events.show),
        [panel.comparison, *settings, seed],
        shown,
        **options,
    )
    panel.comparison.input(None, js=CLOSE_HINTS)
    released = [panel.temperature.release, panel.saturation.release]
    redraw = [seeds, *settings, seed]
    gr.on(released, draw, redraw, stage.gallery, **options)
    stage.others.click(other_seeds, [seeds, seed], seeds, **options).then(
        draw, redraw, stage.gallery, **options
    )
    stage.gallery.select(
        reports_errors(events.pick),
        [seeds, panel.comparison, *settings],
        [seed, *shown, stage.gallery],
        **options,
    )


def _connect_hints(hinting: HintEvents, events: Events, components: Components) -> None:
    """Connect the tools that edit the hints."""
    *_, stage, panel, _, seeds, seed = components
    hints, shown, options = panel.hints, [stage.pair, panel.command], _live()
    change, suggest, advise, understand, load, save, draw = map(
        reports_errors,
        [
            hinting.change_hints,
            hinting.suggest,
            hinting.advise,
            hinting.understand,
            hinting.load_hints,
            hinting.save_hints,
            events.draw,
        ],
    )
    answered = [
        hints.input(
            change, [hints, panel.comparison], [*shown, panel.answer], **options
        ),
        hints.place(suggest, None, panel.answer, **options),
        hints.advise(advise, None, panel.answer, **options),
        hints.words(understand, None, panel.answer, **options),
    ]
    for event in answered:
        event.success(None, panel.answer, js=ANSWER)
    hints.upload(load, panel.comparison, [hints, *shown], **_full_size())
    saved = hints.save(save, None, panel.file, **_full_size())
    saved.success(None, js=PRESS)
    settings = [panel.run, panel.temperature, panel.saturation]
    redraw = [hints.submit, stage.variations.expand]
    gr.on(redraw, draw, [seeds, *settings, seed], stage.gallery, **options)


def _connect_downloads(events: Events, components: Components) -> None:
    """Connect the buttons that write files."""
    panel = components.panel
    settings = [panel.run, panel.temperature, panel.saturation]
    panel.save.click(
        reports_errors(events.save),
        [panel.suffix, *settings, components.seed],
        panel.file,
        **_full_size(),
    ).success(None, js=PRESS)
    panel.save_all.click(
        reports_errors(events.save_all), panel.suffix, panel.file, **_full_size()
    ).success(None, js=PRESS)
