"""Programs run as forks of a server that has imported the libraries they use.

Importing JAX, Flax, Orbax and Grain takes a process two seconds. The server, which is
`python forks.py DESCRIPTOR`, imports them once. A program is a process of its own, with
its own arguments, environment and exit code, and imports colorjax anew. Only variables
that libraries read when they are imported (JAX_*) are the server's.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

LIBRARIES = (
    "PIL.ImageCms",
    "PIL.ImageDraw",
    "flax.linen",
    "grain",
    "imagecodecs",
    "ml_collections.config_flags",
    "optax",
    "orbax.checkpoint",
    "safetensors.numpy",
    "scipy.ndimage",
    "scipy.spatial",
    "tensorflow_datasets",
    "tifffile",
)
AVAILABLE = sys.platform == "linux"  # macOS' frameworks do not survive a fork
MESSAGE_BYTES = 1 << 17


# ---- The side of the tests.


class Server:
    """A server, started in an environment, and stopped with the tests."""

    def __init__(self, env: dict[str, str]):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=env,
            )
        atexit.register(self.stop)

    def stop(self) -> None:
        self.control.close()
        self.process.wait()

    def run(
        self, arguments: list[str], env: dict[str, str], cwd: Path, timeout: float
    ) -> tuple[int, str, str]:
        """Run `python ARGUMENTS`; its exit code, output and errors.

        `arguments` start with a file or with -m MODULE. Raises
        `subprocess.TimeoutExpired` after `timeout` seconds.
        """
        request = dict(arguments=arguments, env=env, cwd=str(cwd))
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with theirs:
                descriptors = [theirs.fileno(), out.fileno(), err.fileno()]
                message = json.dumps(request).encode()
                socket.send_fds(self.control, [message], descriptors)
            ours.settimeout(timeout)
            with ours.makefile("r") as answers:
                process = int(answers.readline())
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(process, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(arguments, timeout) from None
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()


# ---- The side of the server.


def serve(control: socket.socket) -> list[str] | None:
    """Answer requests. Returns in each fork with the arguments of its program, and in
    the server with None when the tests are over."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    process, connection = key.data
                    _, status = os.waitpid(process, 0)
                    _answer(connection, os.waitstatus_to_exitcode(status))
                    os.close(connection)
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    continue
                message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 3)
                if not message:
                    return None
                with warnings.catch_warnings(action="ignore"):  # of threads and forks
                    process = os.fork()
                if process == 0:
                    return _become(json.loads(message), *descriptors)
                connection, *streams = descriptors
                for stream in streams:
                    os.close(stream)
                _answer(connection, process)
                selector.register(
                    os.pidfd_open(process), selectors.EVENT_READ, (process, connection)
                )


def _answer(connection: int, number: int) -> None:
    with contextlib.suppress(OSError):  # the tests no longer wait
        os.write(connection, f"{number}\n".encode())


def _become(request: dict, connection: int, out: int, err: int) -> list[str]:
    """Take the standard streams, environment and folder of a program."""
    for source, target in ((out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    os.close(connection)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    return request["arguments"]


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # what a fork does not look at it does not copy
    with socket.socket(fileno=int(sys.argv[1])) as control:
        arguments = serve(control)
    if arguments is None:
        return
    if arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
