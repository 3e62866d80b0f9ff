"""`airflow dags backfill`: creates an ordinary Airflow backfill and waits for it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowConfigException
from airflow.models.backfill import BackfillDagRun, ReprocessBehavior, _do_dry_run, _get_info_list
from airflow.models.dagrun import DagRun
from airflow.utils import cli as cli_utils
from airflow.utils.platform import getuser
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from rich.console import Console
from sqlalchemy import select

from ashare.dates import SHANGHAI
from ashare.steps.run import DEFAULT_KINDS
from ashare_airflow.backfills import service
from ashare_airflow.backfills.service import Refused, WrongUsage
from ashare_airflow.cli import usage
from ashare_airflow.cli.known import Known, Unreadable
from ashare_airflow.cli.watch import Display, Interrupt, NobodyWorks, WatchedRun, Watcher, print_table

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.timetables.base import DagRunInfo
    from sqlalchemy.orm import Session

FAILED, INTERRUPTED = 1, 130
_PLAIN_WIDTH = 160  # rich takes 80 where there is no terminal, and would fold the reasons


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    dag: SerializedDAG
    from_date: datetime
    to_date: datetime
    conf: dict[str, Any]
    reprocess: ReprocessBehavior
    backwards: bool
    max_active_runs: int


@cli_utils.action_cli  # type: ignore[untyped-decorator]
@providers_configuration_loaded
def backfill(args: Namespace) -> None:
    """Run a DAG for a range of dates and wait."""
    # As Airflow's own commands do: connections that are set in the UI are found, too.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    try:
        exit_code = _backfill(args, console)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        exit_code = refused.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before a backfill was created: nothing was started.\n")
        exit_code = INTERRUPTED
    sys.exit(exit_code)


def _backfill(args: Namespace, console: Console) -> int:
    with create_session() as session:
        request = _read_request(args, session)
        with service.refusals():
            infos = _infos(request)
            to_run = _infos_to_run(request, session)
        if not infos:
            _say(console, f"No run of {request.dag.dag_id} falls into this range (a weekend?): nothing to do.")
            return 0
        known = None
        has_run = [info for info in infos if info not in to_run]
        if request.dag.dag_id == service.DAG_ID:
            known = Known(request.conf.get("kinds") or DEFAULT_KINDS)
            ended_well = _ended_well(request.dag, has_run, session)
            request, is_wanted = _by_rows(console, request, known, map(_day, to_run), ended_well)
            to_run = _infos_to_run(request, session) if is_wanted else []
        if args.dry_run:
            return _dry_run(console, to_run, sum(info not in to_run for info in has_run))
        if not to_run and not _runs_of(request.dag, infos, None, session):
            _say(console, "Nothing to do.")
            return 0
        if to_run or _under_way(request.dag, infos, session):
            service.check_no_other_backfill(request.dag.dag_id, session)
            service.check_can_run(request.dag, session)
    backfill_id = None
    try:
        with Interrupt() as interrupt:
            if to_run:
                # Ctrl-C while the runs are being created would leave an active backfill without runs.
                backfill_id = _create(request)
            return _watch(console, request, infos, backfill_id, known, interrupt)
    except KeyboardInterrupt:
        if backfill_id is None:
            raise
        goes_on = f"Stopped waiting. Backfill {backfill_id} goes on; watch it in the UI, or "
        _say(console, goes_on + service.how_to_cancel(request.dag.dag_id, backfill_id))
        return INTERRUPTED


def _read_request(args: Namespace, session: Session) -> _Request:
    if args.rerun_failed_tasks and args.reset_dagruns:
        raise WrongUsage(
            "--reset-dagruns runs all dates again, --rerun-failed-tasks only failed ones: give one of them."
        )
    reprocess = ReprocessBehavior.NONE
    if args.rerun_failed_tasks:
        reprocess = ReprocessBehavior.FAILED
    if args.reset_dagruns:
        reprocess = ReprocessBehavior.COMPLETED
    dag = service.load_dag(args.dag_id, session)
    conf = usage.read_conf(dag, args.conf)
    from_date, to_date = usage.read_range(dag, args.start_date, args.end_date)
    max_active_runs = args.max_active_runs or dag.max_active_runs
    return _Request(dag, from_date, to_date, conf, reprocess, args.run_backwards, max_active_runs)


def _infos(request: _Request) -> list[DagRunInfo]:
    return _get_info_list(
        dag=request.dag, from_date=request.from_date, to_date=request.to_date, reverse=request.backwards
    )


def _infos_to_run(request: _Request, session: Session) -> list[DagRunInfo]:
    return list(
        _do_dry_run(
            dag_id=request.dag.dag_id,
            from_date=request.from_date,
            to_date=request.to_date,
            reverse=request.backwards,
            reprocess_behavior=request.reprocess,
            dag_run_conf=request.conf,
            session=session,
        )
    )


def _by_rows(
    console: Console, request: _Request, known: Known, without_run: Iterable[date], ended_well: Collection[date]
) -> tuple[_Request, bool]:
    """Narrow a request to what is not complete by the rows that are there, and say what would be better.

    Dates that lie between others are run though they are complete: Airflow runs a range, and they ask for nothing.

    :param without_run: the dates that Airflow would run.
    :param ended_well: the dates that Airflow would leave alone because their last run ended well.
    :returns: the request, and whether anything is to be run.
    """
    wanted = set(without_run)
    complete: set[date] = set()
    if request.reprocess is not ReprocessBehavior.COMPLETED:
        try:
            complete = known.complete([*wanted, *ended_well])
            lost = [day for day in ended_well if day not in complete]
        except Unreadable as problem:
            _say(console, str(problem))  # the end of each date says so, too
            lost = []
        if left_out := len(complete & wanted):
            _say(
                console,
                f"{left_out} dates are complete in ashare.sync_status: "
                "nothing is to be done for them (--reset-dagruns runs them all the same).",
            )
        if lost:
            _say(
                console,
                f"{len(lost)} dates have a run that ended well, and are not complete by the rows in the database: "
                "they are run again.",
            )
            request = replace(request, reprocess=ReprocessBehavior.COMPLETED)
            wanted.update(lost)
    wanted -= complete
    if not wanted:
        return request, False
    if better := known.better_way(wanted):
        _say(console, better)
    bounds = [datetime.combine(day, time(), timezone.utc) for day in (min(wanted), max(wanted))]
    return replace(request, from_date=bounds[0], to_date=bounds[1]), True


def _dry_run(console: Console, to_run: list[DagRunInfo], left_alone: int) -> int:
    for info in to_run:
        _say(console, _key(info))
    _say(console, f"{len(to_run)} would be run, {left_alone} left alone because they have a run.")
    return 0


def _create(request: _Request) -> int:
    try:
        user: str | None = getuser()
    except AirflowConfigException:
        user = None
    return service.create(
        request.dag,
        request.from_date,
        request.to_date,
        request.reprocess,
        user=user,
        conf=request.conf,
        backwards=request.backwards,
        max_active_runs=request.max_active_runs,
    )


def _under_way(dag: SerializedDAG, infos: list[DagRunInfo], session: Session) -> bool:
    ids = [run.run_id for run in _runs_of(dag, infos, None, session)]
    unfinished = DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
    return session.scalar(select(DagRun.id).where(DagRun.id.in_(ids), unfinished).limit(1)) is not None


def _runs_of(
    dag: SerializedDAG, infos: list[DagRunInfo], backfill_id: int | None, session: Session
) -> list[WatchedRun]:
    """The newest run of each date of the range that has one."""
    moment = DagRun.partition_date if dag.timetable.partitioned else DagRun.logical_date
    moments = {_moment(info): _key(info) for info in infos}
    rows = session.execute(
        select(moment, DagRun.id).where(DagRun.dag_id == dag.dag_id, moment.in_(moments)).order_by(DagRun.id)
    )
    newest = {row[0]: row[1] for row in rows}
    created = set(
        session.scalars(
            select(BackfillDagRun.dag_run_id).where(
                BackfillDagRun.backfill_id == backfill_id, BackfillDagRun.dag_run_id.is_not(None)
            )
        )
    )
    return [
        WatchedRun(key, newest[instant], left_alone=newest[instant] not in created)
        for instant, key in moments.items()
        if instant in newest
    ]


def _watch(
    console: Console,
    request: _Request,
    infos: list[DagRunInfo],
    backfill_id: int | None,
    known: Known | None,
    interrupt: Interrupt,
) -> int:
    dag_id = request.dag.dag_id
    with create_session() as session:
        runs = _runs_of(request.dag, infos, backfill_id, session)
    left_alone = sum(run.left_alone for run in runs)
    if backfill_id is None:
        _say(console, f"{dag_id}: all {len(runs)} dates have a run already (--reset-dagruns runs them again).")
    else:
        new = len(runs) - left_alone
        _say(console, f"Backfill {backfill_id} of {dag_id}: dates to run {new}, left alone {left_alone}.")
    try:
        with Display(console, dag_id, len(runs)) as display:
            outcomes = Watcher(dag_id, runs, known, display, interrupt).wait()
    except NobodyWorks as problem:
        raise Refused(
            f"{problem} The backfill is not lost: it goes on where it was when `airflow scheduler` runs again."
        ) from None
    with create_session() as session:
        service.complete_ended_backfills(dag_id, session)
    print_table(console, outcomes)
    failed = [outcome for outcome in outcomes if outcome.failed]
    if any(outcome.status == "unknown" for outcome in failed):
        _say(console, "Mend the database, then run the command again: it looks at the rows.")
    elif any(outcome.left_alone for outcome in failed):
        _say(console, "Use --rerun-failed-tasks to run failed dates again.")
    elif failed:
        _say(console, "The task's log in the UI says more; --rerun-failed-tasks runs the failed dates again.")
    return FAILED if failed else 0


def _ended_well(dag: SerializedDAG, infos: list[DagRunInfo], session: Session) -> set[date]:
    """The dates whose newest run is a success to Airflow."""
    days = {_key(info): _day(info) for info in infos}
    runs = {run.run_id: days[run.key] for run in _runs_of(dag, infos, None, session)}
    query = select(DagRun.id).where(DagRun.id.in_(runs), DagRun.state == DagRunState.SUCCESS)
    return {runs[number] for number in session.scalars(query)}


def _key(info: DagRunInfo) -> str:
    return info.partition_key or str(_moment(info).date())


def _moment(info: DagRunInfo) -> datetime:
    moment = info.partition_date or info.logical_date
    if moment is None:
        raise Refused("This DAG's timetable gives its runs neither a partition nor a logical date.")
    return moment


def _day(info: DagRunInfo) -> date:
    return _moment(info).astimezone(SHANGHAI).date()


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
