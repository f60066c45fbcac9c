"""The page of `colorjax serve`, in Gradio: `build` and `launch`.

What it looks like, and which events happen when a component is touched.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from starlette.requests import ClientDisconnect

from colorjax.apps.serve.events import BESIDE, PNG, Events, told
from colorjax.apps.serve.sessions import SAMPLES

HOTTEST = 2.0  # temperature; there nearly every picture is sepia
AT_ONCE = {"pixels": 2, "previews": 4}  # events of all pages that run at a time
WAITING = 100  # events that wait for them; more are told to come again
PAGES = 1000  # pages, open or not, of which the sample that they show is known
ABOUT = """# Colour for grey pictures
Drop a photograph. This server keeps it in memory while the page is open, and sends it
nowhere."""
THEME = gr.themes.Default(
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
[data-testid=status-tracker]:has(.error) { display: none; } /* the toast says it */
#command textarea { font-family: var(--font-mono); font-size: .8rem; }
"""


class Parts(NamedTuple):
    """The components that events read or write."""

    drop: gr.File
    work: gr.Predictor  # all below, which is there once a picture is
    pair: gr.ImageSlider
    gallery: gr.Gallery
    others: gr.Button
    run: gr.Radio
    beside: gr.Radio
    temperature: gr.Slider
    saturation: gr.Slider
    suffix: gr.Radio
    save: gr.Button
    file: gr.DownloadButton
    command: gr.Textbox
    first: gr.State  # the seed of the first sample that is drawn
    seed: gr.State  # that of the one that is shown, or None


def build(events: Events) -> gr.Blocks:
    """The page; each event runs in a thread of its own, off that of the server."""
    with gr.Blocks(title="colorjax", analytics_enabled=False) as page:
        gr.Markdown(ABOUT, elem_id="about")
        drop = gr.File(elem_id="drop")
        drop.async_move_resource_to_block_cache = _uploaded
        with gr.Predictor(visible=False, elem_id="work") as work:
            with gr.Column(scale=3, min_width=320):
                stage = _stage()
            with gr.Column(scale=1, min_width=300):
                panel = _panel(list(events.colorizers), events.temperature)
        states = gr.State(0), gr.State(None)
        _connect(events, Parts(drop, work, *stage, *panel, *states))
        page.unload(events.close)
    page.queue(max_size=WAITING, api_open=False)
    return page


async def _uploaded(path: str) -> str:
    """The path of an upload, as Gradio has made sure of, unless it is an address: that
    Gradio would fetch, whoever's it is."""
    if not Path(path).is_file():
        raise gr.Error("only an upload is taken", print_exception=False)
    return path


def _stage() -> tuple:
    pair = gr.ImageSlider(show_label=False, buttons=["fullscreen"], max_height=680)
    gallery = gr.Gallery(
        show_label=False,
        columns=SAMPLES + 1,
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_id="gallery",
    )
    return pair, gallery, gr.Button("Other samples", size="sm", elem_id="others")


def _panel(runs: list[str], temperature: Callable[[str], float]) -> tuple:
    return (
        gr.Radio(
            runs,
            value=runs[0],
            label="Run",
            visible=len(runs) > 1,
            elem_classes="choice",
        ),
        gr.Radio(BESIDE, value=BESIDE[0], label="Compare with", elem_classes="choice"),
        gr.Slider(
            0.05,
            HOTTEST,
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


def _connect(events: Events, parts: Parts) -> None:
    """Have the events happen when components are touched."""
    p = parts
    look = [p.run, p.temperature, p.saturation]
    shown, drawn = [p.pair, p.command], [p.first, p.gallery]
    chosen = [p.beside, p.temperature, p.others, p.seed, *shown, *drawn]
    pixels, light = (
        dict(concurrency_id=name, concurrency_limit=limit, api_visibility="private")
        for name, limit in AT_ONCE.items()
    )
    live = light | dict(trigger_mode="always_last", show_progress="hidden")

    p.drop.upload(
        told(events.open),
        [p.drop, p.run, p.saturation],
        [p.drop, p.work, p.suffix, *chosen],
        **pixels,
    ).failure(None, outputs=p.drop, js="() => null")
    p.run.input(told(events.choose), [p.beside, p.run, p.saturation], chosen, **pixels)
    gr.on(
        [p.temperature.input, p.saturation.input, p.beside.input],
        told(events.show),
        [p.beside, *look, p.seed],
        shown,
        **live,
    )
    gr.on(
        [p.temperature.release, p.saturation.release],
        told(events.draw),
        [p.first, *look, p.seed],
        drawn,
        **live,
    )
    p.others.click(lambda first: first + SAMPLES, p.first, p.first, **light).then(
        told(events.draw), [p.first, *look, p.seed], drawn, **light
    )
    p.gallery.select(
        told(events.pick), [p.first, p.beside, *look], [p.seed, *shown], **live
    )
    p.save.click(
        told(events.save), [p.suffix, *look, p.seed], p.file, **pixels
    ).success(None, js="() => document.querySelector('#file').click()")


def launch(page: gr.Blocks, host: str, port: int, max_bytes: int) -> None:
    """Start to serve the page, in threads; files of more bytes are refused."""
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
    """Whether a line of the log is of more than a page that was closed in the middle of
    an upload."""
    return not (record.exc_info and record.exc_info[0] is ClientDisconnect)
