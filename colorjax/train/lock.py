"""One run at a time in a workdir: `Lock`, a file with a heartbeat.

Object stores have no locks of their own, and processes that are killed remove nothing.
So the file says who is at work, and is written anew every `BEAT` seconds; where it has
not changed for `STALE` seconds, nobody is. Clocks are not compared.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from typing import Any

from etils import epath

from colorjax.errors import UserError
from colorjax.files import write_bytes

BEAT = 5.0  # seconds between signs of life
STALE = 60.0  # seconds without one after which a run counts as dead
SETTLE = 0.3  # seconds in which two that start together have both written


class Lock:
    """The right to write in `workdir`, from entering to leaving the context.

    Raises `UserError` where another process has it. A dead one's lock is taken over: at
    once if its process was one of this host, otherwise after `STALE` seconds.
    """

    def __init__(self, workdir: epath.PathLike):
        self.path = epath.Path(workdir) / "lock.json"
        self.token = uuid.uuid4().hex
        self.usurper: dict[str, Any] | None = None
        self._ending = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Lock":
        found = self._read()
        if found and not _dead(found):
            self._wait_for_sign(found)
        self._write()
        time.sleep(SETTLE)
        found = self._read()
        if found and found["token"] != self.token:  # it began at the same moment
            raise self._in_use(found)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._heart.join()
        with contextlib.suppress(OSError):
            if (self._read() or {}).get("token") == self.token:
                self.path.unlink()

    def check(self) -> None:
        """Raise `UserError` if another process has taken over meanwhile."""
        if self.usurper is not None:
            raise self._in_use(self.usurper)

    def _wait_for_sign(self, found):
        print(
            f"{self.path}: {_who(found)} may be at work here; waiting {STALE:.0f} s "
            "at most for a sign of it",
            file=sys.stderr,
        )
        deadline = time.monotonic() + STALE
        while time.monotonic() < deadline:
            time.sleep(BEAT / 10)
            now = self._read()
            if now is None:
                return
            if now != found:
                raise self._in_use(now)
        print(f"{self.path}: there was none; taking over", file=sys.stderr)

    def _in_use(self, found):
        return UserError(
            f"{self.path.parent} is in use by {_who(found)}; wait for it or end it, or "
            "choose another --workdir"
        )

    def _beat(self):
        while not self._ending.wait(BEAT):
            with contextlib.suppress(OSError, UserError):  # a full disk, say: next time
                found = self._read()
                if found and found["token"] != self.token:
                    self.usurper = found
                    return
                self._write()

    def _read(self):
        try:
            content = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            content = None
        unknown = {"host": "?", "process": "?", "token": None}
        return unknown | content if isinstance(content, dict) else unknown

    def _write(self):
        content = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "token": self.token,
            "heartbeat": time.time(),
        }
        # A file of its own until it is renamed: others may write at the same moment.
        own = self.path.parent / f".lock-{self.token}.json"
        write_bytes(own, f"{json.dumps(content)}\n".encode())
        own.replace(self.path)


def _who(found):
    return f"process {found['process']} on {found['host']}"


def _dead(found):
    """Whether a process of this host is known to be no more."""
    if found["host"] != socket.gethostname() or not isinstance(found["process"], int):
        return False
    if found["process"] == os.getpid():  # it had our number before us
        return True
    try:
        os.kill(found["process"], 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False
