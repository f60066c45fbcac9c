"""The components of the page of `colorjax serve`: `Components`, `lay_out`."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from colorjax.apps.serve.examples import EXAMPLES
from colorjax.apps.serve.pictures import PNG
from colorjax.apps.serve.views import COMPARISONS, FIRST_SEEDS, thumbnails

MAX_TEMPERATURE = 2.0  # at which nearly every image is sepia
WEB = Path(__file__).parent / "web"
# Of the hints:
SCRIPTS = "lab", "strokes", "hints", "words", "hint_drawing", "hint_tools"
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

    hints: gr.HTML
    answer: gr.JSON  # of the server, for `hints.js`
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
    tab: gr.Textbox  # the key of the tab of the browser
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
            panel.hints,
        ]


Setting = Callable[[str], float]  # of a run


def lay_out(runs: list[str], temperature: Setting, saturation: Setting) -> Components:
    """Make the components."""
    gr.Markdown(ABOUT, elem_id="about")
    drop = gr.File(elem_id="drop", file_count="multiple")
    with gr.Column(elem_id="hints"):
        gr.Markdown(HINTS)
        examples = _thumbnails("examples", "Examples", _example_thumbnails())
    with gr.Row(visible=False, elem_id="work") as work:
        with gr.Column(scale=3, min_width=320):
            stage = _stage()
        with gr.Column(scale=1, min_width=300):
            panel = _panel(runs, temperature(runs[0]), saturation(runs[0]))
    tab = gr.Textbox(visible=False, elem_id="tab")
    states = gr.State(FIRST_SEEDS), gr.State(None)
    return Components(drop, examples, work, stage, panel, tab, *states)


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
    with gr.Accordion(
        "Other colors it might have", open=False, elem_id="variations"
    ) as variations:
        gallery = _thumbnails("gallery", "Variations", thumbnails([], []))
        others = gr.Button("Show others", size="sm", elem_id="others")
    return Stage(album, pair, variations, gallery, others)


def _hints() -> gr.HTML:
    """The tools that edit the hints on the picture."""
    scripts = [(WEB / f"{name}.js").read_text() for name in SCRIPTS]
    return gr.HTML(
        None,
        html_template=(WEB / "hints.html").read_text(),
        js_on_load="\n".join(scripts),
        apply_default_css=False,
        elem_id="guide",
    )


def _panel(runs: list[str], temperature: float, saturation: float) -> Panel:
    return Panel(
        _hints(),
        gr.JSON(visible=False),
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
            temperature,
            step=0.01,
            label="Caution",
            info="Lower: bolder colors, in patches. Higher: paler, smoother.",
            elem_id="temperature",
        ),
        gr.Slider(
            0, 2, saturation, step=0.05, label="Saturation", elem_id="saturation"
        ),
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
