"""What `make demo`, `make up` and `make down` share: settings, signals, and how they speak."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType

from rich.cells import cell_len
from rich.console import Console

from ashare_local.stack import PROJECT

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

DEMO_FROM = date(2015, 1, 1)
KEPT = "kept"
"""A file in the demo's state: it holds what `make up DEMO=1` has loaded, and not only what `make demo` makes anew."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked this process to end."""


@contextmanager
def stop_signals() -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP raises ``Stopped``; more of them do not disturb the stopping."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise Stopped

    for number in SIGNALS:
        # `nohup make up` outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ask)
    yield


class Phases:
    """Prints each phase with its seconds when the next begins."""

    def __init__(self) -> None:
        self.began = self._phase_began = time.monotonic()
        self._phase: str | None = None

    def begin(self, phase: str) -> None:
        """The phase before has ended, this one begins."""
        self.end()
        self._phase, self._phase_began = phase, time.monotonic()

    def end(self) -> None:
        """The current phase has ended."""
        if self._phase:
            console.print(f"{time.monotonic() - self._phase_began:6.1f} s  {self._phase}")
        self._phase = None

    @property
    def seconds(self) -> float:
        """Since the first phase."""
        return time.monotonic() - self.began


def print_columns(title: str, names: Sequence[str], rows: Sequence[Sequence[object]], left: Collection[str]) -> None:
    """A table of one line per row, however narrow the terminal is."""
    cells = [list(names), *(["" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(cell_len(line[column]) for line in cells) for column in range(len(names))]
    console.print(f"\n{title}", style="bold", markup=False)
    for line in cells:
        padded = []
        for name, text, width in zip(names, line, widths, strict=True):
            blank = " " * (width - cell_len(text))  # a Chinese character takes two columns
            padded.append(text + blank if name in left else blank + text)
        console.print("  ".join(padded).rstrip(), markup=False)


def demo_market(first: date = DEMO_FROM) -> tuple[str, ...]:
    """The emulator's arguments in a demo: ten years of one market for `make demo` and `make up DEMO=1`.

    :param first: a trade date that it has to have.
    """
    return ("--start", str(first_day(first)))


def first_day(first: date) -> date:
    """Of the market of a demo that has to have a trade date."""
    return min(DEMO_FROM, date(first.year, 1, 1))


def state_dir() -> Path:
    """Where everything is kept: ``ASHARE_STATE_DIR``, by default ``.airflow`` in the project."""
    given = os.environ.get("ASHARE_STATE_DIR")
    return Path(given).expanduser().absolute() if given else PROJECT / ".airflow"


def demo_dir() -> Path:
    """The demo's own state: generated bars never reach the database that holds real ones."""
    return state_dir() / "demo"


def wants_demo() -> bool:
    """Whether ``DEMO=1`` was given."""
    return flag("DEMO")


def flag(name: str) -> bool:
    """Whether ``NAME=1`` was given."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "no", "false")


def shown(path: Path) -> str:
    """A path as one would type it: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
