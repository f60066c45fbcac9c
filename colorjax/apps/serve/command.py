"""Colorize pictures in a browser, with a page that this machine serves."""

import argparse
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from colorjax.errors import UserError, install_hint

OPEN = (
    "listening on {host}: whoever reaches this machine on port {port} can use the "
    "page; there is no password, and nothing is encrypted. Without --host it is for "
    "this machine alone."
)
SWEEP = 60.0  # seconds between two looks for files that nobody needs any more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "--run",
        dest="workdirs",
        metavar="DIR",
        action="append",
        help="a run (the one that comes with colorjax); given several times, the page "
        "offers the choice",
    )
    add("--host", default="127.0.0.1", help="where to listen (127.0.0.1, this machine)")
    add("--port", type=int, default=7860, help="(7860; 0 is any that is free)")
    add(
        "--max-pixels",
        type=lambda text: int(float(text)),
        default=50_000_000,
        metavar="N",
        help="refuse pictures of more (50e6)",
    )
    add(
        "--max-upload",
        type=float,
        default=100.0,
        metavar="MB",
        help="refuse files of more megabytes, of 2^20 bytes (100)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until the process is told to end."""
    _check(args)
    port = _free_port(args.host, args.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # and clean up
    with tempfile.TemporaryDirectory(prefix="colorjax-serve-") as folder:
        # Read where Gradio is imported and pages are made: where uploads go, and that
        # its authors are told nothing.
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _serve(args, port, Path(folder))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise `UserError` for options out of range, or without the extra."""
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"serve needs gradio; {install_hint('serve')} installs it")
    for name in ("max_pixels", "max_upload"):
        if getattr(args, name) <= 0:
            raise UserError(f"--{name.replace('_', '-')} must be more than 0")
    if not 0 <= args.port < 65536:
        raise UserError(f"--port is {args.port}, which is no port")


def _free_port(host: str, port: int) -> int:
    """The port, or one that is free where it is 0. Raises `UserError` where nothing can
    listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as listener:
            return listener.getsockname()[1]
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}); give "
            "another --port or --host"
        ) from error


def _serve(args: argparse.Namespace, port: int, folder: Path) -> None:
    # Heavy; mistakes above need no waiting.
    from colorjax.apps.serve.events import Events
    from colorjax.apps.serve.sessions import Sessions
    from colorjax.apps.serve.ui import build, launch
    from colorjax.inference.colorizer import Colorizer
    from colorjax.runtime import enable_compilation_cache, trim_malloc
    from colorjax.train.workdir import STARTER, name_runs

    enable_compilation_cache()
    names = name_runs(args.workdirs or [str(STARTER)])
    colorizers = {name: Colorizer.load(path) for name, path in names.items()}
    sessions = Sessions(colorizers, folder, args.max_pixels)
    page = build(Events(sessions, names))
    launch(page, args.host, port, int(args.max_upload * 2**20))
    try:
        _tell(page.local_url, args.host, port)
        ended = threading.Event()
        while not ended.wait(SWEEP):
            sessions.sweep()
            trim_malloc()
    finally:
        page.close(verbose=False)


def _tell(address: str, host: str, port: int) -> None:
    """Print where the page is, and who else can see it."""
    print(address, flush=True)
    if not _is_loopback(host):
        print(OPEN.format(host=host, port=port), file=sys.stderr)


def _is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
