"""`make demo`: two weeks of a whole market through a real Airflow, from an empty state; leaves nothing running."""

from __future__ import annotations

import os
import sys
from datetime import date

from ashare.dates import monday_of, parse_trade_date_range
from ashare.errors import AshareError
from ashare.store.demo_tables import demo_table
from ashare_local import StackError
from ashare_local.demo_market import KEEP_MARKER, emulator_arguments
from ashare_local.make_variables import demo_dir, flag
from ashare_local.other_bars import refuse_other_bars
from ashare_local.stack import Stack
from ashare_local.state_directory import wipe
from ashare_local.terminal import Phases, Stopped, console, errors, print_columns, shown, stop_signals

START, END = "2026-04-27", "2026-05-08"
"""Two weeks that include the Labour Day holiday."""

TEXT_COLUMNS = ("trade_date", "status", "reason", "code", "name", "industry", "rule")


def main() -> int:
    """Run the demo and return the exit code."""
    phases = Phases()
    try:
        start, end = parse_trade_date_range(os.environ.get("DEMO_START") or START, os.environ.get("DEMO_END") or END)
        with stop_signals():
            _run(start, end, phases)
    except Stopped:
        errors.print("The demo was interrupted; nothing is left running.")
        return 130
    except (AshareError, StackError) as error:
        errors.print(f"\n{error}", markup=False)
        return 1
    console.print(f"\nDone in {phases.seconds:.0f} seconds; nothing is left running.")
    return 0


def _run(start: date, end: date, phases: Phases) -> None:
    state = demo_dir()
    refuse_other_bars(start)
    if (state / KEEP_MARKER).exists() and not flag("OVERWRITE"):
        raise StackError(
            f"{shown(state)} holds the bars of `make up DEMO=1`, and `make demo` begins with an empty database: "
            "`make demo OVERWRITE=1` deletes them, `make up DEMO=1` goes on with them, and with another "
            "ASHARE_STATE_DIR they stay where they are."
        )
    wipe(state)
    emulator = emulator_arguments(start)
    with Stack(state, emulator=emulator, durable=False, scheduled=False, report=phases.begin) as stack:
        if not stack.has_emulator:
            phases.begin("Baostock")
            if problem := stack.source_problem():
                raise StackError(f"{problem} Check AIRFLOW_CONN_BAOSTOCK, or unset it to use the bundled emulator.")
        phases.begin("backfill")
        code = max(_backfill(stack, start, end, dag_id) for dag_id in ("ashare_daily", "ashare_reference"))
        phases.begin("stop")
        _show(stack, start, end)
        if code:
            raise StackError(
                f"The backfill failed (exit code {code}): the table says which dates, the logs of the tasks are in "
                f"{shown(state / 'airflow' / 'logs')}."
            )
    phases.end()


def _backfill(stack: Stack, start: date, end: date, dag_id: str) -> int:
    first = monday_of(start) if dag_id == "ashare_reference" else start
    command = ["dags", "backfill", "-s", str(first), "-e", str(end), dag_id]
    console.print(f"\n$ airflow {' '.join(command)}")
    code = stack.airflow(*command)
    console.print()
    return code


def _show(stack: Stack, start: date, end: date) -> None:
    with stack.ashare_connection() as connection:
        for title, (columns, rows) in (
            (f"ashare.sync_status, {start} to {end}", demo_table(connection, "statuses", start, end)),
            ("ashare.daily_bar, the three most traded", demo_table(connection, "most_traded", start, end)),
            ("ashare.index_member, CSI 300, the five most traded", demo_table(connection, "members", start, end)),
            ("ashare.daily_limit, closed at the limit", demo_table(connection, "limit_up", start, end)),
        ):
            print_columns(title, columns, rows, left=TEXT_COLUMNS)
    if stack.has_own_database:
        console.print(f"\nLook further:      . {shown(stack.env_file)}; psql", markup=False)
        return
    console.print(
        "\nLook further:      make psql DEMO=1      starts the demo's database, opens psql, stops it afterwards"
        "\nSee it in the UI:  make up DEMO=1\n",
        markup=False,
    )


if __name__ == "__main__":
    sys.exit(main())
