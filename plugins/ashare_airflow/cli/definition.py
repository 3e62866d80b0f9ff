"""The command `airflow dags backfill` and its flags. Every `airflow dags ...` imports the module: keep it light."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from airflow.cli import cli_config
from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command
from airflow.logging_config import configure_logging

from ashare_airflow.backfills import DAG_ID, REFERENCE_DAG_ID

_QUIET = "airflow.models.backfill=error airflow.serialization.definitions.dag=warning"
_DEFAULT = "without it, dates that have a run already are left alone"

# Flags of Airflow 2's command without a counterpart in Airflow 3's backfills, and what to do instead.
_REMOVED_FLAGS: dict[tuple[str, ...], str] = {
    ("--pool",): "a task's pool is part of the DAG; give the pool more slots with `airflow pools set`.",
    ("-m", "--mark-success"): "mark the runs as successful in the UI instead.",
    ("-l", "--local"): "the scheduler runs backfills, with its own executor; leave it out.",
    ("-x", "--donot-pickle"): "DAGs are no longer pickled; leave it out.",
    ("-y", "--yes"): "nothing is asked; leave it out.",
    ("--continue-on-failures",): "the other dates always go on; leave it out.",
    ("--disable-retry",): "how often a task is tried again is part of the DAG (`retries`); leave it out.",
    ("-i", "--ignore-dependencies"): "clear the tasks to run again with `airflow tasks clear` instead.",
    ("-I", "--ignore-first-depends-on-past"): "a backfill's first run waits for none before it; leave it out.",
    ("-S", "--subdir"): "DAGs are read from the DAG processor's database entry; leave it out.",
    ("--delay-on-limit",): "the scheduler waits for free slots; --max-active-runs bounds the runs.",
    ("-t", "--task-regex"): "whole dates are run; use `airflow tasks clear --task-regex` for single tasks.",
    ("--treat-dag-as-regex", "--treat-dag-id-as-regex"): "the command runs one DAG; leave it out.",
}


class RemovedFlag(argparse.Action):
    """Action of a removed flag: exits with code 2 and says what to do instead."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        advice = next(text for flags, text in _REMOVED_FLAGS.items() if option_string in flags)
        parser.exit(2, f"{option_string} has no meaning in Airflow 3: {advice}\n")


def _arg(*flags: str, **options: Any) -> Arg:
    return Arg(flags, **options)  # type: ignore[no-untyped-call]


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _arguments() -> tuple[Arg, ...]:
    return (
        _arg("dag_id", help=f"{DAG_ID}, whose runs are trade dates, or {REFERENCE_DAG_ID}, whose runs are weeks"),
        _arg(
            "-s",
            "--start-date",
            help="The first trade date, YYYY-MM-DD (included). Alone, it is the last, too",
        ),
        _arg("-e", "--end-date", help="The last trade date, YYYY-MM-DD (included). Alone, it is the first, too"),
        _arg("-c", "--conf", help='The params of each run, as a JSON object: \'{"kinds": ["stock"]}\''),
        _arg(
            "-n",
            "--dry-run",
            action="store_true",
            help="List the partition keys (trade dates) that would be run, and run nothing",
        ),
        _arg("-B", "--run-backwards", action="store_true", help="Run the newest date first"),
        _arg(
            "--rerun-failed-tasks",
            action="store_true",
            help=f"Run failed dates again, too ({_DEFAULT})",
        ),
        _arg("--reset-dagruns", action="store_true", help=f"Run all dates again ({_DEFAULT})"),
        _arg(
            "--max-active-runs",
            type=_at_least_one,
            help="How many dates are under way at once (default: the DAG's max_active_runs)",
        ),
        cli_config.ARG_VERBOSE,
        *(_arg(*flags, action=RemovedFlag, nargs="?", help=argparse.SUPPRESS) for flags in _REMOVED_FLAGS),
    )


def add_backfill_command() -> None:
    """Add the command `backfill` to `airflow dags`."""
    command = ActionCommand(
        name="backfill",
        help=f"Run {DAG_ID} or {REFERENCE_DAG_ID} for a range of dates, both ends included, and wait",
        description=(
            f"Run {DAG_ID} for the trade dates of a range, or {REFERENCE_DAG_ID} for its weeks, both ends included,\n"
            "and wait until the last run has ended.\n"
            "It is an ordinary Airflow backfill: the scheduler runs it, the UI shows it.\n"
            "Exit code: 0 when no date is failed, 1 when one is or nothing could be started, 2 for wrong usage,\n"
            "130 after Ctrl-C (the backfill goes on)."
        ),
        func=lazy_load_command("ashare_airflow.cli.backfill.backfill"),
        args=_arguments(),
    )
    parser = sys.modules.get("airflow.cli.cli_parser")  # loaded: it calls the providers now, and logging is set up
    if sys.argv[2:3] == ["backfill"] and not {"-v", "--verbose"}.intersection(sys.argv):
        # Airflow logs a line for each created run, which would break the progress bar.
        os.environ.setdefault("AIRFLOW__LOGGING__NAMESPACE_LEVELS", _QUIET)
        if parser:
            configure_logging()  # type: ignore[no-untyped-call]
    # The parser copies the list of commands before it calls the providers: change both lists.
    lists = [cli_config.core_commands, *([parser.airflow_commands] if parser else [])]
    for commands in lists:
        for index, group in enumerate(commands):
            if isinstance(group, GroupCommand) and group.name == "dags" and command not in group.subcommands:
                # A copy of the group: Airflow's own tuple of commands is shared.
                commands[index] = group._replace(subcommands=(*group.subcommands, command))
