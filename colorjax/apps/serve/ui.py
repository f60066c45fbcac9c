"""The Gradio page of `colorjax serve`: `build`.

This module lays out the components and connects them to the handlers of `events`.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from colorjax.apps.serve.events import Events, other_seeds, reports_errors
from colorjax.apps.serve.examples import EXAMPLES
from colorjax.apps.serve.pictures import PNG
from colorjax.apps.serve.views import COMPARISONS, FIRST_SEEDS, thumbnails

MAX_TEMPERATURE = 2.0  # at which nearly every image is sepia
FULL_SIZE_LIMIT, PREVIEW_LIMIT = 2, 4  # handlers of all pages that run at a time
QUEUE = 100  # events that may wait for a handler; further ones are refused
WEB = Path(__file__).parent / "web"
ABOUT = """# Color for grey pictures
This server keeps your photographs in memory until shortly after the page is closed, and
sends them nowhere."""
HINTS = """**What to expect.** The colors are guesses. Skies, leaves, fur, wood and skin
mostly look right. Things that could have any color, such as clothes, cars and flowers,
come out pale or wrong. Try it:"""


class Stage(NamedTuple):
    """The components that show images."""

    album: gr.HTML  # the pictures of the tab, if there are several
    pair: gr.HTML
    variations: gr.Accordion  # closed at first: the best guess is on the stage
    gallery: gr.HTML
    others: gr.Button


class Panel(NamedTuple):
    """The components that hold the settings."""

    run: gr.Radio
    comparison: gr.Radio
    temperature: gr.Slider
    saturation: gr.Slider
    suffix: gr.Radio
    save: gr.Button
    save_all: gr.Button
    file: gr.DownloadButton
    remove: gr.Button
    command: gr.Textbox


class Components(NamedTuple):
    """The components that handlers read or write."""

    drop: gr.File
    examples: gr.HTML
    work: gr.Row  # the stage and the panel; visible once there is a picture
    stage: Stage
    panel: Panel
    seeds: gr.State  # of the variations
    seed: gr.State  # of the variation on the stage; None: the best guess

    @property
    def view(self) -> list[Any]:
        """The components that `Views.page` describes, in its order."""
        stage, panel = self.stage, self.panel
        return [
            self.work,
            stage.album,
            panel.save_all,
            panel.run,
            panel.comparison,
            panel.temperature,
            panel.saturation,
            panel.suffix,
            stage.variations,
            self.seeds,
            self.seed,
            stage.gallery,
            stage.pair,
            panel.command,
        ]


def build(events: Events) -> gr.Blocks:
    """The page. Gradio runs each handler in a thread of its own."""
    with gr.Blocks(title="colorjax", analytics_enabled=False) as page:
        gr.Markdown(ABOUT, elem_id="about")
        drop = gr.File(elem_id="drop", file_count="multiple")
        drop.async_move_resource_to_block_cache = _check_upload
        with gr.Column(elem_id="hints"):
            gr.Markdown(HINTS)
            examples = _thumbnails("examples", "Examples", _example_thumbnails())
        with gr.Row(visible=False, elem_id="work") as work:
            with gr.Column(scale=3, min_width=320):
                stage = _stage()
            with gr.Column(scale=1, min_width=300):
                views = events.views
                panel = _panel(list(views.colorizers), views.temperature)
        states = gr.State(FIRST_SEEDS), gr.State(None)
        components = Components(drop, examples, work, stage, panel, *states)
        _connect_pictures(events, components)
        _connect_controls(events, components)
        _connect_downloads(events, components)
        tab = gr.Textbox(visible=False, elem_id="tab")
        page.load(
            reports_errors(events.restore),
            tab,
            components.view,
            js=(WEB / "page.js").read_text(),
            **_full_size(),
        )
        page.unload(events.close)
    page.queue(max_size=QUEUE, api_open=False)
    return page


async def _check_upload(url_or_file_path: str | Path | None) -> str | None:
    """The path of an upload. Gradio has checked that it is one, unless it is an
    address: Gradio would fetch that, from any host."""
    if url_or_file_path is None or not Path(url_or_file_path).is_file():
        raise gr.Error("only uploads are accepted", print_exception=False)
    return str(url_or_file_path)


def _thumbnails(elem_id: str, label: str, value: dict[str, Any]) -> gr.HTML:
    return gr.HTML(
        value,
        html_template=f'<div class="thumbnails" role="group" aria-label="{label}">'
        "</div>",
        js_on_load=(WEB / "thumbnails.js").read_text(),
        apply_default_css=False,
        elem_id=elem_id,
    )


def _example_thumbnails() -> dict[str, Any]:
    """The examples as data: URIs, so that no file of the package is served."""
    start = "data:image/jpeg;base64,"
    urls = [start + base64.b64encode(x.path.read_bytes()).decode() for x in EXAMPLES]
    return thumbnails([{"url": url} for url in urls], [x.caption for x in EXAMPLES])


def _stage() -> Stage:
    album = _thumbnails("album", "Your pictures", thumbnails([], []))
    pair = gr.HTML(
        None,
        html_template=(WEB / "pair.html").read_text(),
        js_on_load=(WEB / "pair.js").read_text(),
        apply_default_css=False,
        elem_id="pair",
    )
    with gr.Accordion("Other colors it might have", open=False) as variations:
        gallery = _thumbnails("gallery", "Variations", thumbnails([], []))
        others = gr.Button("Show others", size="sm", elem_id="others")
    return Stage(album, pair, variations, gallery, others)


def _panel(runs: list[str], temperature: Callable[[str], float]) -> Panel:
    return Panel(
        gr.Radio(
            runs,
            value=runs[0],
            label="Model",
            visible=len(runs) > 1,
            elem_id="run",
            elem_classes="choice",
        ),
        gr.Radio(
            COMPARISONS,
            value=COMPARISONS[0],
            label="Compare with",
            info="Uncertainty: the brighter, the more colors are possible.",
            elem_id="comparison",
            elem_classes="choice",
        ),
        gr.Slider(
            0.05,
            MAX_TEMPERATURE,
            temperature(runs[0]),
            step=0.01,
            label="Caution",
            info="Lower: bolder colors, in patches. Higher: paler, smoother.",
            elem_id="temperature",
        ),
        gr.Slider(0, 2, 1, step=0.05, label="Saturation", elem_id="saturation"),
        gr.Radio(
            [PNG], value=PNG, label="Save as", elem_id="suffix", elem_classes="choice"
        ),
        gr.Button("Download at full size", variant="primary"),
        gr.Button("Download all as a zip file", elem_id="save_all", visible=False),
        gr.DownloadButton(elem_id="file"),
        gr.Button("Remove this picture", size="sm", elem_id="remove"),
        gr.Textbox(
            label="The same from the command line",
            buttons=["copy"],
            lines=2,
            elem_id="command",
        ),
    )


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
        show_progress="hidden",
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
    panel.run.input(reports_errors(events.switch), [comparison, *new], view, **options)


def _connect_controls(events: Events, components: Components) -> None:
    """Connect the components that change the colors of the picture."""
    *_, stage, panel, seeds, seed = components
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


def _connect_downloads(events: Events, components: Components) -> None:
    """Connect the buttons that write files."""
    panel = components.panel
    settings = [panel.run, panel.temperature, panel.saturation]
    press = "() => document.querySelector('#file').click()"
    panel.save.click(
        reports_errors(events.save),
        [panel.suffix, *settings, components.seed],
        panel.file,
        **_full_size(),
    ).success(None, js=press)
    panel.save_all.click(
        reports_errors(events.save_all), panel.suffix, panel.file, **_full_size()
    ).success(None, js=press)
