"""The output of the make targets, and the signals that stop them."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.cells import cell_len
from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked this process to end."""


@contextmanager
def stop_signals() -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP raises ``Stopped``; later signals do not disturb the shutdown."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise Stopped

    for number in SIGNALS:
        # Keep an ignored SIGHUP ignored: `nohup make up` outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    yield


class Phases:
    """Prints each phase and its seconds when the phase ends."""

    def __init__(self) -> None:
        self.began = self._phase_began = time.monotonic()
        self._phase: str | None = None

    def begin(self, phase: str) -> None:
        """End the current phase and begin another."""
        self.end()
        self._phase, self._phase_began = phase, time.monotonic()

    def end(self) -> None:
        """End the current phase, if there is one, and print its seconds."""
        if self._phase:
            console.print(f"{time.monotonic() - self._phase_began:6.1f} s  {self._phase}")
        self._phase = None

    @property
    def seconds(self) -> float:
        """Seconds since this object was created."""
        return time.monotonic() - self.began


def print_columns(title: str, names: Sequence[str], rows: Sequence[Sequence[object]], left: Collection[str]) -> None:
    """Print a table with one line per row, however narrow the terminal is.

    :param left: names of the left-aligned columns.
    """
    cells = [list(names), *(["" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(cell_len(line[column]) for line in cells) for column in range(len(names))]
    console.print(f"\n{title}", style="bold", markup=False)
    for line in cells:
        padded = []
        for name, text, width in zip(names, line, widths, strict=True):
            blank = " " * (width - cell_len(text))  # a Chinese character takes two columns
            padded.append(text + blank if name in left else blank + text)
        console.print("  ".join(padded).rstrip(), markup=False)


def shown(path: Path) -> str:
    """A path as a person would type it: relative if it is inside the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
