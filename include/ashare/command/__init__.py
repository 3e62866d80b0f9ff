"""The command ``ashare``: ``ashare doctor | migrate | export | alerts | accept | ...``.

Exit code 0: done. 1: failed now, a retry may succeed. 2: an argument, setting or connection is wrong.
130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ashare import __version__
from ashare.environment import Environment
from ashare.errors import AshareError, InvalidInput

UNAVAILABLE, WRONG_INPUT, INTERRUPTED = 1, 2, 130

ENVIRONMENTS, COMMANDS = "ashare.environments", "ashare.commands"
"""Entry-point groups: factories of an ``Environment``, and further commands ``(arguments) -> exit code``."""


@dataclass(frozen=True)
class Command:
    """A command of this package: a module with ``main(arguments, environment) -> exit code``."""

    module: str
    summary: str


BUILT_IN = {
    "doctor": Command("ashare.command.diagnosis", "whether database, source, pool and the last dates are well"),
    "migrate": Command("ashare.command.migration", "bring the schema ashare up to date; safe at any time"),
    "export": Command("ashare.command.parquet_export", "write the bars as Parquet files, and for Qlib"),
    "lake": Command("ashare.command.lake_views", "views of the exported files for DuckDB"),
    "alerts": Command("ashare.command.alert_test", "send a test message to every alert address"),
    "verified": Command("ashare.command.comparisons", "what was read again and compared, and what had changed"),
    "accept": Command("ashare.command.acceptance", "take an incomplete trade date as it is, with a reason"),
}


def main(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Run a command and return its exit code.

    :param environment: source of the connections; ``None``: Airflow if it is installed, else environment variables.
    """
    further = {found.name: found for found in entry_points(group=COMMANDS)}
    given = _parser(further).parse_args(arguments)
    try:
        if given.command in further:
            return _load_command(further[given.command])(given.arguments)
        run = import_module(BUILT_IN[given.command].module).main
        return int(run(given.arguments, environment or _environment()))
    except AshareError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT if isinstance(error, InvalidInput) else UNAVAILABLE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED


def _parser(further: dict[str, EntryPoint]) -> argparse.ArgumentParser:
    summaries = {name: command.summary for name, command in BUILT_IN.items()}
    summaries |= {name: f"see `ashare {name} --help`" for name, found in further.items()}
    listed = "".join(f"  {name:<10}{text}\n" for name, text in summaries.items())
    parser = argparse.ArgumentParser(
        prog="ashare",
        description="Daily bars of the whole China A-share market in PostgreSQL.",
        epilog=f"commands:\n{listed}\n`ashare COMMAND --help` explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"A-share sync {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=list(summaries), help="one of the list below")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="the command's arguments")
    return parser


def _load_command(found: EntryPoint) -> Callable[[Sequence[str]], int]:
    try:
        command: Callable[[Sequence[str]], int] = found.load()
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"`ashare {found.name}` needs the module {error.name}, which is not installed: "
            f"pip install 'ashare-sync[{found.name}]'."
        ) from None
    return command


def _environment() -> Environment:
    """Airflow's connections if Airflow is installed, else environment variables."""
    for found in entry_points(group=ENVIRONMENTS):
        try:
            made: Environment = found.load()()
        except ModuleNotFoundError:  # Airflow is not installed
            continue
        return made
    return Environment()
