"""Progress and messages on stderr: `Progress`, `tracked`, `report`, `warn`.

Progress is tqdm's bar on a terminal, elsewhere a plain line every 10 seconds. Of
several processes only the first one prints.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import jax
from tqdm import tqdm

EVERY = 10.0  # seconds between lines without a terminal, and between writes of a log


class _Bar(tqdm):
    monitor_interval = 0  # no thread that watches the bar


class _Lines:
    """A file that prints each state of a bar as a line of its own."""

    def write(self, text: str) -> None:
        if text := text.strip():
            print(text, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing; each line is flushed."""


class Progress:
    """Shows how much of the work is done and how long the rest takes."""

    def __init__(self, label: str, total: int, start: int = 0):
        terminal = sys.stderr.isatty()
        self.total, self.start = total, start
        self._format = "{desc} {n_fmt}/{total_fmt}{postfix}"
        if terminal:
            self._format = "{desc} {bar:20} {n_fmt}/{total_fmt}{postfix}"
        self._bar = _Bar(
            desc=label,
            total=total,
            initial=start,
            file=sys.stderr if terminal else _Lines(),
            bar_format=self._format,
            dynamic_ncols=True,
            mininterval=0.1 if terminal else EVERY,
            miniters=1,
            delay=1e-9,  # show nothing before the first update
            leave=False,  # after an error
            disable=not _is_first_process(),
        )
        self._updated = False

    def update(self, done: int, text: str = "") -> None:
        """Show that `done` of the total are done; done = total ends the line."""
        bar = self._bar
        bar.total = self.total
        bar.set_postfix_str(text, refresh=False)
        if done >= self.total:
            bar.n, bar.leave = done, True
            bar.close()
        elif self._updated:
            bar.bar_format = self._format + ", {remaining} left"
            bar.update(done - bar.n)
        else:  # it includes compilation and says nothing of the time that is left
            self._updated = True
            bar.n = bar.initial = bar.last_print_n = done
            bar.refresh()
            bar.unpause()


def tracked(items: Iterable[Any], label: str, total: int) -> Iterator[Any]:
    """Yield `items` and show the progress through them."""
    progress = Progress(label, total)
    for done, item in enumerate(items, start=1):
        yield item
        progress.update(done)


def report(text: str, *, all_processes: bool = False) -> None:
    """Print a line on stderr; a bar moves below it."""
    if all_processes or _is_first_process():
        _Bar.write(text, file=sys.stderr)
        sys.stderr.flush()


def warn(text: str) -> None:
    """Print a warning on stderr; a bar moves below it."""
    report(f"warning: {text}")


def _is_first_process() -> bool:
    # Asking for the index starts the devices, which a command may not need.
    return not jax.distributed.is_initialized() or jax.process_index() == 0
