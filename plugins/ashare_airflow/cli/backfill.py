"""`airflow dags backfill`: creates an ordinary Airflow backfill and waits for it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

from airflow.exceptions import AirflowConfigException
from airflow.models.backfill import Backfill, ReprocessBehavior
from airflow.utils import cli as cli_utils
from airflow.utils.platform import getuser
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.session import create_session
from rich.console import Console

from ashare import cost
from ashare.datasets import WEEKLY_DATASETS
from ashare.dry_run import dry_run_of_verification
from ashare.errors import AshareError
from ashare.settings import Settings
from ashare.status import status_reader
from ashare.store import Store
from ashare.store.recorded_partitions import RecordedDates, RecordedWeeks
from ashare.store.verifications import summary, verified_dates
from ashare_airflow.backfills import REFERENCE_DAG_ID, verifies
from ashare_airflow.backfills.refusals import Refused
from ashare_airflow.backfills.start import check_can_start, load_dag
from ashare_airflow.backfills.state import (
    UNFINISHED,
    complete_ended_backfills,
    how_to_cancel,
    newest_runs,
    runs_of_backfill,
    succeeded_dates,
)
from ashare_airflow.cli.arguments import read_request, refuse_other_dag
from ashare_airflow.cli.display import ProgressDisplay, print_line, print_table
from ashare_airflow.cli.interrupt import InterruptFlag
from ashare_airflow.cli.run_monitor import RunMonitor, WatchedRun
from ashare_airflow.connections import AirflowConnections

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ashare_airflow.backfills.request import BackfillRequest
    from ashare_airflow.cli.date_result import DateResult

FAILED, INTERRUPTED = 1, 130
_PLAIN_WIDTH = 160  # without a terminal, rich assumes 80 columns and would fold the reasons


@cli_utils.action_cli  # type: ignore[untyped-decorator]
@providers_configuration_loaded
def backfill(args: Namespace) -> None:
    """Run ashare_daily or ashare_reference for a range of dates and wait."""
    # Airflow's own commands set it, too. Without it, connections added in the UI are not found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    try:
        refuse_other_dag(args)
        # The Airflow connection is looked up at first use, and again whenever the database connection was lost.
        with Store(lambda: AirflowConnections().connector()()) as store:
            exit_code = _backfill(args, store, console)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        exit_code = refused.exit_code
    except AshareError as error:
        sys.stderr.write(f"{error}\n")
        exit_code = FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before a backfill was created: nothing was started.\n")
        exit_code = INTERRUPTED
    sys.exit(exit_code)


def _backfill(args: Namespace, store: Store, console: Console) -> int:
    with create_session() as session:
        dag = load_dag(session, args.dag_id)
        given = read_request(args, dag)
        recorded = _recorded(store, given)
        runnable = given.dates_to_run(session)
        dates = given.trade_dates(dag)
        if not dates:
            no_run = "a weekend" if dag.dag_id != REFERENCE_DAG_ID else "no Monday"
            print_line(console, f"No run of {dag.dag_id} falls into this range ({no_run}?): nothing to do.")
            return 0
        left_alone = set(dates).difference(runnable)
        request = _narrowed(console, given, recorded, runnable, left_alone, session)
        to_run = request.dates_to_run(session) if request else []
        if to_run and verifies(given.conf):
            print_line(console, _cost_of_verification(store, given))
        if args.dry_run:
            return _print_dry_run(console, to_run, len(left_alone.difference(to_run)))
        existing = newest_runs(dates, session, dag.dag_id).values()
        if not to_run and not existing:
            print_line(console, "Nothing to do.")
            return 0
        if to_run or any(run.state in UNFINISHED for run in existing):
            check_can_start(dag, session)
    backfill_id = None
    try:
        with InterruptFlag() as interrupt:
            if request and to_run:
                # Ctrl-C while the runs are being created would leave an active backfill without runs.
                backfill_id = request.create(dag, _user())
            return _wait(console, given, dates, backfill_id, recorded, interrupt)
    except KeyboardInterrupt:
        if backfill_id is None:
            raise
        notice = f"Stopped waiting. Backfill {backfill_id} goes on; watch it in the UI, or "
        print_line(console, notice + how_to_cancel(backfill_id, dag.dag_id))
        return INTERRUPTED


def _narrowed(
    console: Console,
    request: BackfillRequest,
    recorded: RecordedDates | RecordedWeeks,
    runnable: Collection[date],
    left_alone: Collection[date],
    session: Session,
) -> BackfillRequest | None:
    """Narrow a request to the dates whose rows are not complete, and print what would be quicker.

    :param runnable: the dates that Airflow would run.
    :param left_alone: the dates that Airflow would leave alone.
    """
    needed = set(runnable)
    if request.reprocess is not ReprocessBehavior.COMPLETED:
        succeeded = succeeded_dates(left_alone, session, request.dag_id)
        try:
            complete = recorded.complete(needed | succeeded)
            incomplete = succeeded - complete
        except AshareError as problem:
            print_line(console, str(problem))  # each date's result says so again
            complete, incomplete = set(), set()
        if left_out := len(complete & needed):
            print_line(
                console,
                f"{left_out} dates are complete in {recorded.table}: "
                "nothing is to be done for them (--reset-dagruns runs them all the same).",
            )
        if incomplete:
            print_line(
                console,
                f"{len(incomplete)} dates have a run that ended well, and are not complete by the rows in the "
                "database: they are run again.",
            )
        needed = (needed | incomplete) - complete
    if needed and not verifies(request.conf) and (advice := _advice(recorded, needed)):
        print_line(console, advice)
    return request.narrowed(needed, session)


def _recorded(store: Store, request: BackfillRequest) -> RecordedDates | RecordedWeeks:
    """The records of the request's partitions."""
    conf = request.conf or {}
    if request.dag_id == REFERENCE_DAG_ID:
        return RecordedWeeks(store, conf.get("datasets") or tuple(WEEKLY_DATASETS))
    return RecordedDates(store, conf.get("kinds") or Settings().kinds, verify=verifies(conf))


def _advice(recorded: RecordedDates | RecordedWeeks, days: Collection[date]) -> str:
    """Suggest ``ashare_history``, with its command, if it is quicker for these dates; else an empty text."""
    if isinstance(recorded, RecordedWeeks):
        return cost.suggest_history_of_weeks(days, recorded.datasets)
    try:
        with recorded.store.transaction() as connection:
            return cost.suggest_history_run(connection, days, recorded.kinds)
    except AshareError:
        return cost.suggest_history_run(None, days, recorded.kinds)


def _print_dry_run(console: Console, to_run: list[date], left_alone: int) -> int:
    for day in to_run:
        print_line(console, str(day))
    print_line(console, f"{len(to_run)} would be run, {left_alone} left alone because they have a run.")
    return 0


def _user() -> str | None:
    try:
        return getuser()
    except AirflowConfigException:
        return None


def _wait(
    console: Console,
    request: BackfillRequest,
    dates: list[date],
    backfill_id: int | None,
    recorded: RecordedDates | RecordedWeeks,
    interrupt: InterruptFlag,
) -> int:
    """Wait for the newest run of each date, and print the results.

    :param backfill_id: ``None``: no backfill was created, the runs are older.
    :returns: the exit code.
    :raises Refused: the scheduler, or Airflow's database, stayed away.
    :raises KeyboardInterrupt: Ctrl-C was pressed.
    """
    dag_id = request.dag_id
    runs = _watched_runs(dates, backfill_id, dag_id)
    left_alone = sum(run.is_earlier for run in runs)
    if backfill_id is None:
        print_line(console, f"{dag_id}: all {len(runs)} dates have a run already (--reset-dagruns runs them again).")
    else:
        counts = f"dates to run {len(runs) - left_alone}, left alone {left_alone}"
        print_line(console, f"Backfill {backfill_id} of {dag_id}: {counts}.")
    with ProgressDisplay(console, len(runs), dag_id) as display:
        results = RunMonitor(runs, recorded, display, interrupt, dag_id).wait()
    with create_session() as session:
        complete_ended_backfills(session)
    print_table(console, results, dag_id)
    if backfill_id is not None and verifies(request.conf):
        print_line(console, _comparison(backfill_id, recorded.store, dates))
    failed = [result for result in results if result.failed]
    if failed:
        print_line(console, _what_to_do(failed))
    return FAILED if failed else 0


def _cost_of_verification(store: Store, request: BackfillRequest) -> str:
    """What reading the dates of a request again will cost, in sentences."""
    try:
        with status_reader(store) as reader:
            kinds = (request.conf or {}).get("kinds")
            plan = dry_run_of_verification(reader, request.first, request.last, kinds)
    except AshareError as problem:
        return str(problem)
    minutes = max(round(plan.seconds / 60), 1)
    estimate = (
        f"{plan.complete} complete dates are read again: about {plan.requests} requests of {plan.requests_left} left "
        f"today, {minutes} min."
    )
    return " ".join([estimate, *plan.notes])


def _comparison(backfill_id: int, store: Store, dates: list[date]) -> str:
    """What the dates that were read again have shown, as a sentence."""
    try:
        with create_session() as session, store.transaction() as connection:
            found = verified_dates(connection, dates, session.get_one(Backfill, backfill_id).created_at)
    except AshareError as problem:
        return str(problem)
    return f"Read again and compared: {summary(found) if found else 'nothing.'}"


def _watched_runs(dates: list[date], backfill_id: int | None, dag_id: str) -> list[WatchedRun]:
    with create_session() as session:
        created = {run.id for run in runs_of_backfill(backfill_id, session)} if backfill_id is not None else set()
        newest = newest_runs(dates, session, dag_id)
    runs = [newest[day] for day in dates if day in newest]
    return [WatchedRun(run.id, run.trade_date, is_earlier=run.id not in created) for run in runs]


def _what_to_do(failed: list[DateResult]) -> str:
    if any(result.status == "unknown" for result in failed):
        return "Mend the database, then run the command again: it looks at the rows."
    if any(result.is_earlier_run for result in failed):
        return "Use --rerun-failed-tasks to run failed dates again."
    return "The task's log in the UI says more; --rerun-failed-tasks runs the failed dates again."
