"""The Gradio page of `colorjax serve`: `build`, `launch`.

This module lays out the components and connects them to the handlers of `events`.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.themes import Default
from starlette.requests import ClientDisconnect

from colorjax.apps.serve.events import COMPARISONS, PNG, Events, reports_errors
from colorjax.apps.serve.sessions import SAMPLES

MAX_TEMPERATURE = 2.0  # at which nearly every image is sepia
FULL_SIZE_LIMIT, PREVIEW_LIMIT = 2, 4  # handlers of all pages that run at a time
QUEUE = 100  # events that may wait for a handler; further ones are refused
PAGES = 1000  # pages, open or closed, whose state Gradio keeps
ABOUT = """# Color for grey pictures
Drop a photograph. This server keeps it in memory while the page is open, and sends it
nowhere."""
THEME = Default(
    primary_hue="amber",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
STYLE = """
.gradio-container { width: 100% !important; max-width: 84rem !important;
                    margin: 0 auto !important; }
#about { margin: 1.5rem 0 .5rem; }
#drop label { display: none; }
#drop button { height: 15rem !important; }
.gradio-container:has(#work) #drop button { height: 4rem !important; }
.gradio-container:has(#work) #drop .icon-wrap { display: none; }
#drop [data-testid=upload-text] { font-size: 0; gap: 1rem; padding: 0;
                                  min-height: 0; justify-content: center; }
#drop [data-testid=upload-text] .or { display: none; }
#drop [data-testid=upload-text]::after { font-size: 1.1rem;
    content: "Drop a photograph here, or click to choose one"; }
.gradio-container:has(#work) #drop [data-testid=upload-text]::after { font-size: .95rem;
    content: "Drop another here, or click to choose one"; }
#gallery { border-width: 0 !important; }
#others { width: auto; align-self: flex-end; }
#gallery .grid-wrap { height: auto !important; min-height: 0; padding: 0; }
#gallery .caption-label { font-size: .7rem; padding: .1rem .4rem; }
.choice label { padding: .35rem .7rem !important; }
.choice label span { margin-left: 0 !important; }
.choice input { position: absolute; opacity: 0; }
.choice label:has(input:focus-visible) { outline: 2px solid var(--color-accent); }
.choice label.selected { background: var(--color-accent-soft) !important;
                         border-color: var(--color-accent) !important; }
/* A toast shows the error. */
[data-testid=status-tracker]:has(.error) { display: none; }
#command textarea { font-family: var(--font-mono); font-size: .8rem; }
"""


class Stage(NamedTuple):
    """The components that show images."""

    pair: gr.ImageSlider
    gallery: gr.Gallery
    others: gr.Button


class Panel(NamedTuple):
    """The components that hold the settings."""

    run: gr.Radio
    comparison: gr.Radio
    temperature: gr.Slider
    saturation: gr.Slider
    suffix: gr.Radio
    save: gr.Button
    file: gr.DownloadButton
    command: gr.Textbox


class Components(NamedTuple):
    """The components that handlers read or write."""

    drop: gr.File
    work: gr.Row  # the stage and the panel; visible once there is an image
    stage: Stage
    panel: Panel
    first_seed: gr.State  # the seed of the first sample in the gallery
    seed: gr.State  # the seed of the sample on the stage, or None


def build(events: Events) -> gr.Blocks:
    """The page. Gradio runs each handler in a thread of its own."""
    with gr.Blocks(title="colorjax", analytics_enabled=False) as page:
        gr.Markdown(ABOUT, elem_id="about")
        drop = gr.File(elem_id="drop")
        drop.async_move_resource_to_block_cache = _check_upload
        with gr.Row(visible=False, elem_id="work") as work:
            with gr.Column(scale=3, min_width=320):
                stage = _stage()
            with gr.Column(scale=1, min_width=300):
                panel = _panel(list(events.colorizers), events.temperature)
        states = gr.State(0), gr.State(None)
        _connect(events, Components(drop, work, stage, panel, *states))
        page.unload(events.close)
    page.queue(max_size=QUEUE, api_open=False)
    return page


async def _check_upload(url_or_file_path: str | Path | None) -> str | None:
    """The path of an upload. Gradio has checked that it is one, unless it is an
    address: Gradio would fetch that, from any host."""
    if url_or_file_path is None or not Path(url_or_file_path).is_file():
        raise gr.Error("only uploads are accepted", print_exception=False)
    return str(url_or_file_path)


def _stage() -> Stage:
    pair = gr.ImageSlider(show_label=False, buttons=["fullscreen"], max_height=680)
    gallery = gr.Gallery(
        show_label=False,
        columns=SAMPLES + 1,
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id="gallery",
    )
    return Stage(pair, gallery, gr.Button("Other samples", size="sm", elem_id="others"))


def _panel(runs: list[str], temperature: Callable[[str], float]) -> Panel:
    return Panel(
        gr.Radio(
            runs,
            value=runs[0],
            label="Run",
            visible=len(runs) > 1,
            elem_classes="choice",
        ),
        gr.Radio(
            COMPARISONS,
            value=COMPARISONS[0],
            label="Compare with",
            elem_classes="choice",
        ),
        gr.Slider(
            0.05,
            MAX_TEMPERATURE,
            temperature(runs[0]),
            step=0.01,
            label="Temperature",
            info="lower: bolder, patchier",
        ),
        gr.Slider(0, 2, 1, step=0.05, label="Saturation"),
        gr.Radio([PNG], value=PNG, label="Save as", elem_classes="choice"),
        gr.Button("Download at full size", variant="primary"),
        gr.DownloadButton(visible="hidden", elem_id="file"),
        gr.Textbox(
            label="The same from the command line",
            buttons=["copy"],
            lines=2,
            elem_id="command",
        ),
    )


def _connect(events: Events, components: Components) -> None:
    """Connect the components to their handlers."""
    drop, work, stage, panel, first_seed, seed = components
    comparison = panel.comparison
    settings = [panel.run, panel.temperature, panel.saturation]
    shown, drawn = [stage.pair, panel.command], [first_seed, stage.gallery]
    chosen = [comparison, panel.temperature, stage.others, seed, *shown, *drawn]
    full_size: dict[str, Any] = dict(
        concurrency_id="full size",
        concurrency_limit=FULL_SIZE_LIMIT,
        api_visibility="private",
    )
    preview: dict[str, Any] = dict(
        concurrency_id="previews",
        concurrency_limit=PREVIEW_LIMIT,
        api_visibility="private",
    )
    live: dict[str, Any] = preview | dict(
        trigger_mode="always_last", show_progress="hidden"
    )
    show, draw = reports_errors(events.show), reports_errors(events.draw)

    drop.upload(
        reports_errors(events.open),
        [drop, panel.run, panel.saturation],
        [drop, work, panel.suffix, *chosen],
        **full_size,
    ).failure(None, outputs=drop, js="() => null")
    panel.run.input(
        reports_errors(events.choose),
        [comparison, panel.run, panel.saturation],
        chosen,
        **full_size,
    )
    gr.on(
        [panel.temperature.input, panel.saturation.input, comparison.input],
        show,
        [comparison, *settings, seed],
        shown,
        **live,
    )
    released = [panel.temperature.release, panel.saturation.release]
    redraw = [first_seed, *settings, seed]
    gr.on(released, draw, redraw, drawn, **live)
    stage.others.click(
        lambda first: first + SAMPLES, first_seed, first_seed, **preview
    ).then(draw, redraw, drawn, **preview)
    stage.gallery.select(
        reports_errors(events.pick),
        [first_seed, comparison, *settings],
        [seed, *shown],
        **live,
    )
    panel.save.click(
        reports_errors(events.save),
        [panel.suffix, *settings, seed],
        panel.file,
        **full_size,
    ).success(None, js="() => document.querySelector('#file').click()")


def launch(page: gr.Blocks, host: str, port: int, max_bytes: int) -> None:
    """Start serving the page, in threads. Larger uploads than `max_bytes` are
    refused."""
    page.launch(
        server_name=host,
        server_port=port,
        max_file_size=max_bytes,
        state_session_capacity=PAGES,
        theme=THEME,
        css=STYLE,
        share=False,
        quiet=True,
        inline=False,
        inbrowser=False,
        prevent_thread_lock=True,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_defect)


def _is_defect(record: logging.LogRecord) -> bool:
    """False for log records of a page that was closed during an upload."""
    return not (record.exc_info and record.exc_info[0] is ClientDisconnect)
