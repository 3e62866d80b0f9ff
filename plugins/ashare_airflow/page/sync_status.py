"""The sync-status API, with the paths, parameters and bodies that StockGuru's clients know."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.backfill import Backfill, ReprocessBehavior
from fastapi import APIRouter, BackgroundTasks, Path, Query
from sqlalchemy.orm import Session

from ashare.dates import beijing_now, parse_date, parse_trade_date, parse_trade_date_range
from ashare.status import StatusReader
from ashare.sync.accept import accept, undo
from ashare_airflow.backfills import PARTITIONS
from ashare_airflow.backfills.progress import active_progresses, progress
from ashare_airflow.backfills.request import BackfillRequest
from ashare_airflow.backfills.state import cancel, find_backfill
from ashare_airflow.page import readings, runs
from ashare_airflow.page.access import AUDITED, MAY_CANCEL, MAY_READ, MAY_START, SAME_SITE, check_may_start
from ashare_airflow.page.dependencies import Reader, open_reader, open_store
from ashare_airflow.page.error_replies import NotFound
from ashare_airflow.page.models.day import Accepted, AcceptRequest
from ashare_airflow.page.models.reply import Reply
from ashare_airflow.page.models.sync_records import (
    NeedSync,
    PendingDates,
    RecordPage,
    Records,
    Status,
    StatusCount,
    Summary,
    SyncRecord,
)
from ashare_airflow.page.models.sync_requests import (
    Active,
    BatchRequest,
    Preview,
    Progress,
    Reprocess,
    StartedBatch,
    StartedDate,
    StartedPending,
    What,
)
from ashare_airflow.page.sync_kinds import SYNC_KINDS, sync_kind
from ashare_airflow.report.run_report import report_accepted_date

Days = Annotated[int, Query(ge=1, le=365, description="Calendar days back from today, Beijing's.")]
BackfillId = Annotated[int, Path(ge=0, le=2**31 - 1, description="The id of an Airflow backfill.")]

_REPROCESS = {
    "missing": ReprocessBehavior.FAILED,
    "all": ReprocessBehavior.COMPLETED,
    "verify": ReprocessBehavior.COMPLETED,
}

read_router = APIRouter(dependencies=[MAY_READ])
start_router = APIRouter(dependencies=[SAME_SITE, AUDITED, MAY_START])
# The right to start depends on the DAG that the request names.
batch_router = APIRouter(dependencies=[SAME_SITE, AUDITED])

_DATES = SYNC_KINDS["trade_dates"]


# ---------------------------------------------------------------------- records


@read_router.get("/today")
def today(reader: Reader) -> Reply[SyncRecord]:
    """Today's record."""
    return _record(reader, reader.today)


@read_router.get("/date/{day}")
def one_date(day: str, reader: Reader) -> Reply[SyncRecord]:
    """A date's record."""
    return _record(reader, parse_trade_date(day))


def _record(reader: StatusReader, day: date) -> Reply[SyncRecord]:
    row = reader.record(day)
    if row is None:
        raise NotFound(
            f"Nothing is recorded of {day}, and the calendar that is stored does not cover it: sync it to find out."
        )
    return Reply(data=SyncRecord.from_row(row))


@read_router.get("/recent")
def recent(reader: Reader, days: Days = 30) -> Records:
    """The records of the last days, newest first."""
    rows = reader.records(start=_first_of_last(reader, days))
    return Records(total=len(rows), data=[SyncRecord.from_row(row) for row in rows])


@read_router.get("/pending")
def pending(reader: Reader, days_back: Days = 30) -> PendingDates:
    """The dates of the last days that are to be synced: missing, failed or not complete."""
    dates = reader.wanting(_first_of_last(reader, days_back), reader.today)
    return PendingDates(total=len(dates), dates=dates)


@read_router.get("/summary")
def summary(reader: Reader, days: Days = 30) -> Reply[Summary]:
    """The last days by status."""
    start = _first_of_last(reader, days)
    counts = StatusCount(**reader.counts(start))
    newest = [SyncRecord.from_row(row) for row in reader.records(start=start, limit=10)]
    return Reply(
        data=Summary(total_days=sum(counts.model_dump().values()), status_count=counts, recent_records=newest)
    )


@read_router.get("/list")
def listing(
    reader: Reader,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 50,
    start_date: Annotated[str | None, Query(description="YYYY-MM-DD, included.")] = None,
    end_date: Annotated[str | None, Query(description="YYYY-MM-DD, included.")] = None,
    status: Status | None = None,
) -> Reply[RecordPage]:
    """The records a page at a time, newest first. ``stats`` counts all that the dates select, whatever the status."""
    start, end = (parse_date(text) if text else None for text in (start_date, end_date))
    return Reply(data=readings.record_page(reader, page, page_size, start, end, status))


@read_router.post("/check/{day}", dependencies=[SAME_SITE])
def check(day: str, reader: Reader) -> NeedSync:
    """Whether a date is to be synced, and why. Starts nothing."""
    checked = parse_trade_date(day)
    need_sync, reason = reader.need(checked)
    return NeedSync(date=checked, need_sync=need_sync, reason=reason)


def _first_of_last(reader: StatusReader, days: int) -> date:
    """The first of the last ``days`` calendar days, today included."""
    return reader.today - timedelta(days=days - 1)


# ---------------------------------------------------------------------- syncs


@start_router.post("/sync/today")
def sync_today(user: GetUserDep, session: SessionDep) -> Reply[StartedDate]:
    """Sync today, if it needs it."""
    return _sync_date(beijing_now().date(), user, session)


@start_router.post("/sync/date/{day}")
def sync_date(day: str, user: GetUserDep, session: SessionDep) -> Reply[StartedDate]:
    """Sync a date, if it needs it."""
    return _sync_date(parse_trade_date(day), user, session)


def _sync_date(day: date, user: GetUserDep, session: SessionDep) -> Reply[StartedDate]:
    # Close the reader before the backfill starts: a read error must not hide that a backfill was started.
    with open_reader(session) as reader:
        need_sync, reason = reader.need(day)
    if not need_sync:
        return Reply(data=StartedDate(status="skipped", date=day, message=reason, task_id=None))
    request = BackfillRequest(day, day, ReprocessBehavior.FAILED).narrowed([day], session)
    backfill_id, _ = runs.start_backfill(_DATES, request, user, session)
    message = f"Backfill {backfill_id} syncs {day}. {reason}"
    return Reply(data=StartedDate(status="syncing", date=day, message=message, task_id=str(backfill_id)))


@start_router.post("/sync/pending")
def sync_pending(user: GetUserDep, session: SessionDep, days_back: Days = 30) -> Reply[StartedPending]:
    """Sync all dates of the last days that need it."""
    with open_reader(session) as reader:
        start, today = _first_of_last(reader, days_back), reader.today
        dates = reader.wanting(start, today)
    if not dates:
        nothing = f"Every date since {start} is complete or under way: nothing is to be synced."
        return Reply(data=StartedPending(status="success", message=nothing, total=0, dates=[], task_id=None))
    request = BackfillRequest(start, today, ReprocessBehavior.FAILED).narrowed(dates, session)
    backfill_id, created = runs.start_backfill(_DATES, request, user, session)
    message = (
        f"Backfill {backfill_id} syncs {len(dates)} dates, from {min(dates)} to {max(dates)}, in {created} runs."
    )
    return Reply(
        data=StartedPending(
            status="syncing", message=message, total=len(dates), dates=dates, task_id=str(backfill_id)
        )
    )


@read_router.get("/sync/preview")
def preview(
    start_date: str,
    end_date: str,
    reader: Reader,
    user: GetUserDep,
    session: SessionDep,
    reprocess: Reprocess = "missing",
    what: What = "trade_dates",
) -> Reply[Preview]:
    """What a sync of a range would do and cost, without starting it."""
    kind = sync_kind(what, reprocess)
    start, end = parse_trade_date_range(start_date, end_date)
    plan = kind.dry_run(reader, start, end)
    whole = BackfillRequest(start, end, _REPROCESS[reprocess], kind.conf, dag_id=kind.dag_id)
    request = whole if reprocess == "all" else whole.narrowed(plan.to_sync, session)
    to_create = len(request.dates_to_run(session)) if request else 0
    why_not = runs.why_not_started(user, session, kind.dag_id)
    if why_not is None and not to_create:
        why_not = kind.why_nothing(plan)
    if why_not is None and (end - start).days >= kind.most_days:
        why_not = kind.limit
    return Reply(
        data=Preview.of(
            plan,
            start_date=start,
            end_date=end,
            runs=to_create,
            command=(request or whole).command,
            can_start=why_not is None,
            why_not=why_not,
            is_too_long=reprocess == "missing" and bool(plan.to_sync) and (end - start).days >= kind.most_days,
        )
    )


@batch_router.post("/sync/batch")
def sync_batch(body: BatchRequest, user: GetUserDep, session: SessionDep) -> Reply[StartedBatch]:
    """Start a backfill of a range, at most 90 days or weeks, and return at once with its id."""
    kind = sync_kind(body.what, body.reprocess)
    check_may_start(user, kind.dag_id)
    start, end = parse_trade_date_range(body.start_date, body.end_date, most_days=kind.most_days, dag_id=kind.dag_id)
    days = (end - start).days + 1
    whole = BackfillRequest(start, end, _REPROCESS[body.reprocess], kind.conf, dag_id=kind.dag_id)
    with open_reader(session) as reader:
        needed = None if body.reprocess == "all" else kind.wanting(reader, start, end)
    request = whole if needed is None else whole.narrowed(needed, session)
    backfill_id, created = runs.start_backfill(kind, request, user, session)
    message = f"Backfill {backfill_id} is started: {created} {kind.noun}s of {days} days."
    return Reply(data=StartedBatch(task_id=str(backfill_id), total_days=days, runs=created, message=message))


@read_router.get("/sync/batch/progress/{backfill_id}")
def batch_progress(backfill_id: BackfillId, reader: Reader, session: SessionDep) -> Reply[Progress]:
    """How far a backfill is."""
    return Reply(data=_progress(backfill_id, reader, session))


@read_router.get("/sync/batch/active")
def active_batch(reader: Reader, session: SessionDep) -> Reply[Active | None]:
    """The backfill that is under way, if there is one; of two, the one of trade dates."""
    active = active_progresses(reader, session)
    return Reply(data=Active(**active[0]) if active else None)


@batch_router.post("/sync/batch/cancel/{backfill_id}", dependencies=[MAY_CANCEL])
def cancel_batch(backfill_id: BackfillId, reader: Reader, user: GetUserDep, session: SessionDep) -> Reply[Progress]:
    """Cancel a backfill: dates under way finish, those that wait are marked failed."""
    backfill = _backfill(backfill_id, session)
    check_may_start(user, backfill.dag_id)
    cancel(backfill, session)
    return Reply(data=_progress(backfill_id, reader, session))


def _progress(backfill_id: int, reader: StatusReader, session: SessionDep) -> Progress:
    return Progress(**progress(_backfill(backfill_id, session), reader, session))


def _backfill(backfill_id: int, session: Session) -> Backfill:
    found = find_backfill(backfill_id, session)
    if found is None:
        raise NotFound(f"There is no backfill {backfill_id} of {' or '.join(PARTITIONS)}.")
    return found


# ---------------------------------------------------------------------- acceptance


@start_router.post("/accept/{day}")
def accept_date(
    day: str, body: AcceptRequest, user: GetUserDep, session: SessionDep, background: BackgroundTasks
) -> Reply[Accepted]:
    """Have a red date count as complete as it is, with a reason, until its bars change."""
    chosen = parse_trade_date(day)
    with open_store(session) as store:
        message = accept(store, chosen, body.reason, user.get_name())
    background.add_task(report_accepted_date)
    return Reply(data=Accepted(date=chosen, message=message))


@start_router.post("/accept/{day}/undo")
def undo_acceptance(day: str, user: GetUserDep, session: SessionDep) -> Reply[Accepted]:
    """Have an accepted date be what it was before."""
    chosen = parse_trade_date(day)
    with open_store(session) as store:
        message = undo(store, chosen, user.get_name())
    return Reply(data=Accepted(date=chosen, message=message))
