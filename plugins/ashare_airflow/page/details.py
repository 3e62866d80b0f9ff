"""The routes that only the page uses: overview, coverage, one date, one security, the source."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query

from ashare.checks import is_code
from ashare.dates import parse_date
from ashare.errors import InvalidInput
from ashare.week_status import due_week, weekly_lists
from ashare_airflow.backfills import DAG_ID, REFERENCE_DAG_ID
from ashare_airflow.backfills.progress import active_progresses
from ashare_airflow.backfills.scheduler import scheduler_state
from ashare_airflow.page import runs
from ashare_airflow.page.access import MAY_READ, may_start_backfills
from ashare_airflow.page.dependencies import Reader
from ashare_airflow.page.error_replies import NotFound
from ashare_airflow.page.models.day import CoverageDays, Day
from ashare_airflow.page.models.overview import Overview, Source
from ashare_airflow.page.models.reply import Reply
from ashare_airflow.page.models.security import Adjust, SecurityName, Stock, StockBars
from ashare_airflow.page.models.sync_records import SyncRecord

MAX_YEARS = 50

router = APIRouter(dependencies=[MAY_READ])


@router.get("/overview")
def overview(reader: Reader, user: GetUserDep, session: SessionDep) -> Reply[Overview]:
    """Is the data complete, does everything run, and what can be pressed?"""
    bounds = reader.bounds()
    why_not = runs.why_not_started(user, session, DAG_ID)
    first_open, last_open = reader.open_range()
    newest = bounds.newest and {**bounds.newest, "date": bounds.newest["trade_date"]}
    return Reply(
        data=Overview.model_validate(
            {
                "now": reader.now(),
                "newest_complete": newest,
                "newest_due": bounds.newest_due,
                "lag": bounds.lag,
                "allowed_lag": reader.settings.max_lag,
                "first_date": bounds.first_date,
                "counts": reader.counts(),
                "first_open": first_open,
                "last_open": last_open,
                **runs.schedule(session),
                "scheduler": scheduler_state(session)._asdict(),
                "source": reader.source(),
                "can_start": why_not is None,
                "why_not": why_not,
                "active": active_progresses(reader, session),
                "histories": reader.histories(),
                "weekly": {
                    "newest_due": due_week(reader),
                    "lists": [asdict(each) for each in weekly_lists(reader)],
                    "why_not": runs.why_not_started(user, session, REFERENCE_DAG_ID),
                },
            }
        )
    )


@router.get("/coverage")
def coverage(start_date: str, end_date: str, reader: Reader) -> Reply[CoverageDays]:
    """Every calendar day of a range by its rows; future days are not published yet."""
    start, end = parse_date(start_date), parse_date(end_date)
    if not 0 <= (end - start).days <= MAX_YEARS * 366:
        raise InvalidInput(f"{start} to {end} is not a range of up to {MAX_YEARS} years: choose other dates.")
    days = reader.coverage(start, end)
    return Reply(data=CoverageDays(start_date=start, end_date=end, days=days))


@router.get("/day/{day}")
def day(day: str, reader: Reader, user: GetUserDep, session: SessionDep) -> Reply[Day]:
    """All that is known of a date."""
    chosen = parse_date(day)
    row = reader.record(chosen)
    if row is None:
        raise NotFound(f"Nothing is recorded of {chosen}, and the calendar that is stored does not cover it.")
    previous, following = reader.neighbours(chosen)
    values: dict[str, Any] = {
        "record": SyncRecord.from_row(row),
        "at_limit": reader.rows.at_limit(chosen) if row["loaded"] else None,
        "previous": previous,
        "following": following,
        "run": runs.last_run(row["dag_id"], row["run_id"], session),
        "acceptance": reader.rows.acceptance(chosen),
        "may_accept": may_start_backfills(user, DAG_ID),
        "batches": runs.with_logs(reader.rows.batches(chosen), session),
        "checks": reader.rows.checks(chosen),
    }
    values["missing_total"], values["missing"] = reader.missing(row)
    for name in ("absent", "rejected", "revisions"):
        values[f"{name}_total"], values[name] = reader.rows.listed(name, chosen)
    return Reply(data=Day.model_validate(values))


@router.get("/securities")
def securities(q: Annotated[str, Query(max_length=40)], reader: Reader) -> Reply[list[SecurityName]]:
    """Up to twenty securities whose code or name has a part."""
    return Reply(data=[SecurityName(**row) for row in reader.rows.find(q)])


@router.get("/stock/{code}")
def stock(code: str, reader: Reader) -> Reply[Stock]:
    """A security's coverage over time."""
    found = reader.security(code) if is_code(code) else None
    if found is None:
        raise _unknown_security(code)
    return Reply(data=Stock.model_validate(found))


@router.get("/stock/{code}/bars")
def bars(code: str, reader: Reader, adjust: Adjust = "none") -> Reply[StockBars]:
    """A security's daily bars, as traded or adjusted."""
    if not is_code(code):
        raise _unknown_security(code)
    rows, note = reader.bars(code, adjust)
    if not rows and reader.security(code) is None:
        raise _unknown_security(code)
    return Reply(data=StockBars(code=code, adjust=adjust, note=note, bars=rows))


def _unknown_security(code: str) -> NotFound:
    return NotFound(
        f"There is no security {code!r} in the list: write Baostock's code with the exchange, for example sh.600000."
    )


@router.get("/source")
def source(reader: Reader) -> Reply[Source]:
    """Requests and budget of the day, a ban, the last errors."""
    return Reply(data=Source.model_validate(reader.source()))
