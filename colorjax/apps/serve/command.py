"""Colorize images in a browser, on a page that this machine serves."""

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

from colorjax.apps import options
from colorjax.errors import UserError, install_hint

EXPOSED = (
    "listening on {host}: everyone who reaches this machine on port {port} can use the "
    "page, without a password and without encryption. Without --host only this machine "
    "can use it."
)
SWEEP_SECONDS = 60.0  # between two searches for files that are no longer needed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "--run",
        dest="workdirs",
        type=options.path,
        metavar="DIR",
        action="append",
        help="the workdir of a run (default: the model that comes with colorjax); "
        "repeat the option to offer several",
    )
    options.add_setting(add)
    options.add_size(add)
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add(
        "--port",
        type=options.whole(0, 65535),
        default=7860,
        help="port (7860); 0: any free one",
    )
    add(
        "--max-pixels",
        type=options.count,
        default=50_000_000,
        metavar="N",
        help="refuse images with more pixels (50M)",
    )
    add(
        "--max-upload",
        type=options.number(0.001, 10_000.0),
        default=100.0,
        metavar="MB",
        help="refuse larger files; a megabyte is 2^20 bytes (100)",
    )
    add(
        "--root-path",
        type=options.root_path,
        default="",
        metavar="PATH",
        help="the path under which a proxy offers the page, /colorjax for example",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until the process gets SIGINT or SIGTERM."""
    _check(args)
    port = _free_port(args.host, args.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # to clean up
    with tempfile.TemporaryDirectory(prefix="colorjax-serve-") as folder:
        # Gradio reads these when it is imported: the folder of the uploads, and the
        # setting that it sends nothing to its authors.
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _serve(args, port, Path(folder))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise `UserError` if the extra is missing."""
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"serve needs gradio; {install_hint('serve')} installs it")


def _free_port(host: str, port: int) -> int:
    """The port, or a free one if it is 0. Raises `UserError` if it cannot be used."""
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
    # These imports take seconds; mistakes above are reported without them.
    from colorjax.apps.serve.events import Events
    from colorjax.apps.serve.server import launch
    from colorjax.apps.serve.sessions import Sessions
    from colorjax.apps.serve.ui import build
    from colorjax.apps.serve.views import Views
    from colorjax.inference.colorizer import Colorizer
    from colorjax.runtime import enable_compilation_cache, trim_malloc
    from colorjax.train.workdir import STARTER, name_runs

    enable_compilation_cache()
    names = name_runs(args.workdirs or [str(STARTER)])
    settings = dict(args.settings)
    colorizers = {
        name: Colorizer.load(path, options=settings, size=args.size)
        for name, path in names.items()
    }
    sessions = Sessions(colorizers, folder, args.max_pixels)
    max_bytes = int(args.max_upload * 2**20)
    views = Views(sessions, names, settings, args.size)
    page = build(Events(sessions, views, max_bytes))
    launch(page, args.host, port, max_bytes, args.root_path)
    try:
        _print_address(str(page.local_url), args.host, port)
        never = threading.Event()
        while not never.wait(SWEEP_SECONDS):
            sessions.sweep()
            trim_malloc()
    finally:
        page.close(verbose=False)


def _print_address(address: str, host: str, port: int) -> None:
    """Print the address of the page, and a warning if other machines can reach it."""
    print(address, flush=True)
    if not _is_loopback(host):
        print(EXPOSED.format(host=host, port=port), file=sys.stderr)


def _is_loopback(host: str) -> bool:
    """Whether only programs on this machine can connect to the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
