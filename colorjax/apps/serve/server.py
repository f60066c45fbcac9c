"""The web server of `colorjax serve`: `launch`."""

from pathlib import Path

import gradio as gr
from gradio.themes import Default
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = 1000  # pages, open or closed, whose state Gradio keeps
STYLE = Path(__file__).parent / "web" / "page.css"
THEME = Default(
    primary_hue="amber",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    # Gradio's own colors have contrasts of 2.1 and 2.5; WCAG asks for 4.5.
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    button_primary_text_color="*neutral_950",
    button_primary_text_color_dark="*neutral_950",
    button_primary_background_fill_dark="*primary_500",
    button_primary_background_fill_hover_dark="*primary_400",
)


class IgnoreClosedPages:
    """Middleware that drops the errors of requests whose client has left.

    Gradio raises several kinds of them when a page is closed in the middle of an upload
    or of an event, and each would print a long traceback.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        closed = False

        async def receive_and_note() -> Message:
            nonlocal closed
            message = await receive()
            closed = closed or message["type"] == "http.disconnect"
            return message

        try:
            await self.app(scope, receive_and_note, send)
        except Exception:
            if not closed:
                raise


def launch(
    page: gr.Blocks, host: str, port: int, max_bytes: int, root_path: str
) -> None:
    """Start serving the page, in threads.

    Larger uploads than `max_bytes` are refused. `root_path` is the path under which a
    proxy offers the page, "/colorjax" for example, or empty.
    """
    page.launch(
        server_name=host,
        server_port=port,
        root_path=root_path,
        max_file_size=max_bytes,
        state_session_capacity=PAGES,
        theme=THEME,
        css_paths=STYLE,
        app_kwargs={"middleware": [Middleware(IgnoreClosedPages)]},
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
