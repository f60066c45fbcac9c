"""The page of `colorjax serve` under load: correctness, latency and memory.

    python -m benchmarks.serve --run runs/quick [--clients 8] [--seconds 60]
    python -m benchmarks.serve --run starter --clients 1 --stalled 0 --sides 1024 1024

Each client drops its own images, one after another, moves the temperature, gives ten
hints, and downloads the result, whose L must be that of its image. Then it removes the
image. The sides of the images are random, between those of `--sides`. Meanwhile
`--stalled` clients upload a byte at a time or leave in the middle. The report has the
milliseconds of each event and the memory of the server.
"""

import contextlib
import json
import queue
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
from skimage.color import rgb2lab

from benchmarks.timing import parser, report
from colorjax import images
from colorjax.hints import Guide, Point

GUIDE = Guide([Point(i / 10, 0.5, f"#{i}{i}6080") for i in range(10)])
EVENTS = ("open", "show", "hint", "save")
SIDES = 200, 900  # of the images, in pixels
MAX_ERROR = 0.5  # the mean difference of L between an image and its result


class RefusedError(Exception):
    """The error that the page shows for an event."""


class Visitor:
    """An open page without a browser: its requests, and the connection that a browser
    holds while the page is open."""

    def __init__(self, url: str):
        self.http = httpx.Client(base_url=url, timeout=120)
        self.key = secrets.token_hex(6)
        config = self.http.get("/config").json()
        names = {x["id"]: x["props"].get("elem_id") for x in config["components"]}
        self.events = {
            x["api_name"]: (x["id"], [names[i] for i in x["outputs"]])
            for x in config["dependencies"]
        }
        self.run = next(
            x["props"]["value"]
            for x in config["components"]
            if x["props"].get("elem_id") == "run"
        )
        address = httpx.URL(url)
        self._connection = socket.create_connection((address.host, address.port))
        path = f"{address.path.rstrip('/')}/gradio_api/heartbeat/{self.key}"
        self._connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self._connection.recv(1)

    def upload(self, data: bytes, name: str) -> dict:
        """Send a file. Returns the page's reference to it."""
        answer = self.http.post("/gradio_api/upload", files={"files": (name, data)})
        if answer.status_code != 200:
            raise RefusedError(answer.text)
        path, meta = answer.json()[0], {"_type": "gradio.FileData"}
        return {"path": path, "orig_name": name, "size": len(data), "meta": meta}

    def call(self, event: str, *values, event_data=None) -> dict:
        """Trigger an event. Returns its outputs by the names of the components."""
        index, names = self.events[event]
        request = {"data": values, "fn_index": index}
        request |= {"session_hash": self.key, "event_data": event_data}
        self.http.post("/gradio_api/queue/join", json=request).raise_for_status()
        path, params = "/gradio_api/queue/data", {"session_hash": self.key}
        with self.http.stream("GET", path, params=params) as answer:
            for line in answer.iter_lines():
                message = json.loads(line.removeprefix("data: ") or "{}")
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise RefusedError(message["output"]["error"])
                    return dict(zip(names, message["output"]["data"], strict=True))
        raise RefusedError("the server left")

    def open(self, data: bytes, name: str) -> dict:
        """Drop an image or a zip file."""
        opened = self.call("open", [self.upload(data, name)], self.run, 1)
        self.guide = opened["guide"]
        return opened

    def show(
        self, temperature: float, saturation: float = 1, comparison="grey"
    ) -> dict:
        """Move the controls. Returns the pair of images and the command line."""
        return self.call("show", comparison, self.run, temperature, saturation, None)

    def pick(self, place: int, temperature: float) -> dict:
        """Pick a variation by its place. Returns it, the pair and the command line."""
        values = None, "grey", self.run, temperature, 1
        chosen = {"index": place, "value": None}
        return self.call("pick", *values, event_data=chosen)

    def save(self, suffix: str, temperature: float, saturation: float = 1) -> bytes:
        """Download the result at full size."""
        values = suffix, self.run, temperature, saturation, None
        return self.fetch(self.call("save", *values)["file"])

    def hint(self, guide: Guide) -> dict:
        """Give hints. Returns the pair of images and the command line."""
        value = self.guide | {"hints": guide.to_json()}
        return self.call("change_hints", value, "grey")

    def remove(self) -> dict:
        """Remove the image from the page."""
        return self.call("remove", "grey")

    def fetch(self, file: dict) -> bytes:
        """Download a file that the page shows."""
        answer = self.http.get(f"/gradio_api/file={file['path']}")
        answer.raise_for_status()
        return answer.content

    def close(self) -> None:
        """Close the page."""
        self._connection.close()
        self.http.close()


@contextlib.contextmanager
def served(*arguments: str, **options) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run `colorjax serve` on a free port of this machine: (process, address).

    `options` are those of `subprocess.Popen`.
    """
    command = [sys.executable, "-m", "colorjax", "serve", "--port", "0"]
    options = dict(stdout=subprocess.PIPE, text=True) | options
    with subprocess.Popen([*command, *arguments], **options) as process:
        try:
            yield process, process.stdout.readline().strip().rstrip("/")
        finally:
            process.terminate()
            process.wait()


def resident(process: subprocess.Popen) -> int:
    """The resident memory of a process, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def client(
    url: str, number: int, end: float, results: queue.Queue, sides: Sequence[int]
) -> None:
    """Use the page until `end`. Puts (event, seconds) and (outcome, detail) into
    `results`."""
    random = np.random.default_rng(number)
    visitor = Visitor(url)
    try:
        while time.monotonic() < end:
            height, width = random.integers(*sides, 2, endpoint=True).tolist()
            small = random.integers(0, 256, (9, 9), np.uint8)
            source = np.repeat(images.resize(small, (height, width))[..., None], 3, 2)
            temperature = float(random.choice([0.1, 0.2, 0.8]))
            events = {
                "open": lambda s=source: visitor.open(images.encode(s, "PNG"), "a.png"),
                "show": lambda t=temperature: visitor.show(t),
                "hint": lambda: visitor.hint(GUIDE),
                "save": lambda t=temperature: visitor.save(".png", t),
            }
            for name, event in events.items():
                begun = time.monotonic()
                answer = event()
                results.put((name, time.monotonic() - begun))
            visitor.remove()
            result = images.read(answer)
            off = np.inf
            if result.shape == source.shape:
                off = np.abs(rgb2lab(result) - rgb2lab(source))[..., 0].mean()
            results.put(("wrong" if off > MAX_ERROR else "right", float(off)))
    except Exception as error:  # part of the report
        results.put(("failed", repr(error)))
    finally:
        visitor.close()


def staller(url: str, number: int, end: float) -> None:
    """Upload a byte at a time until `end`. Every second client leaves in the middle and
    returns."""

    def slowly():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; '
        yield b'filename="slow.png"\r\nContent-Type: image/png\r\n\r\n'
        for sent in range(10_000):
            if time.monotonic() > end or (number % 2 and sent == 10):
                raise ConnectionAbortedError
            yield b"x"
            time.sleep(0.1)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionAbortedError, httpx.HTTPError):
            httpx.post(f"{url}/gradio_api/upload", content=slowly(), headers=kind)


def load(
    run: str,
    clients: int,
    stalled: int,
    seconds: float,
    sides: Sequence[int] = SIDES,
) -> dict:
    """Seconds of each event, outcomes, and bytes of memory once a second."""
    results, memory = queue.Queue(), []
    with served("--run", run) as (process, url):
        end = time.monotonic() + seconds
        threads = [
            *(
                threading.Thread(target=client, args=[url, i, end, results, sides])
                for i in range(clients)
            ),
            *(
                threading.Thread(target=staller, args=[url, i, end])
                for i in range(stalled)
            ),
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(resident(process))
            time.sleep(1)
    times, answers = defaultdict(list), defaultdict(list)
    while not results.empty():
        name, value = results.get()
        (times if name in EVENTS else answers)[name].append(value)
    return {"seconds": times, "answers": answers, "memory": memory}


def main() -> int:
    flags = parser(__doc__, repeats=1)
    flags.add_argument("--run", required=True, help="the workdir of a run")
    flags.add_argument("--clients", type=int, default=8)
    flags.add_argument("--stalled", type=int, default=8)
    flags.add_argument("--seconds", type=float, default=60)
    flags.add_argument("--sides", type=int, nargs=2, default=SIDES)
    args = flags.parse_args()
    results = load(args.run, args.clients, args.stalled, args.seconds, args.sides)
    settings = {
        "run": args.run,
        "clients": args.clients,
        "stalled": args.stalled,
        "answers": {name: len(values) for name, values in results["answers"].items()},
        "slowest": {name: max(values) for name, values in results["seconds"].items()},
        "megabytes, every ten seconds": [
            round(x / 1e6) for x in results["memory"][::10]
        ],
        "failed": results["answers"].get("failed", []),
    }
    report(results["seconds"], {}, settings, args.json)
    return 1 if {"wrong", "failed"} & set(results["answers"]) else 0


if __name__ == "__main__":
    sys.exit(main())
