"""The routes that only the page uses: overview, coverage, one date, one security, datasets, the source."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query, Response

from ashare.dates import parse_date
from ashare.errors import InvalidInput
from ashare.messages import chinese_templates
from ashare.status import StatusReader
from ashare_airflow.backfills import DAG_ID, REFERENCE_DAG_ID
from ashare_airflow.backfills.progress import active_progresses
from ashare_airflow.backfills.scheduler import scheduler_state
from ashare_airflow.histories.history_runs import active_histories
from ashare_airflow.page import history_routes, readings, runs
from ashare_airflow.page.access import MAY_READ, may_start_backfills
from ashare_airflow.page.dependencies import Reader
from ashare_airflow.page.error_replies import NotFound
from ashare_airflow.page.models.day import CoverageDays, Day
from ashare_airflow.page.models.kept_datasets import KeptDatasets
from ashare_airflow.page.models.overview import Overview, Source
from ashare_airflow.page.models.reply import Reply
from ashare_airflow.page.models.security import Adjust, SecurityName, Stock, StockBars

MAX_YEARS = 50

router = APIRouter(dependencies=[MAY_READ])


@router.get("/overview")
def overview(reader: Reader, user: GetUserDep, session: SessionDep) -> Reply[Overview]:
    """Is the data complete, does everything run, and what can be pressed?"""
    why_not = runs.why_not_started(user, session, DAG_ID)
    read = readings.overview(reader)
    return Reply(
        data=Overview.model_validate(
            {
                **read,
                **runs.schedule(session),
                "scheduler": scheduler_state(session)._asdict(),
                "can_start": why_not is None,
                "why_not": why_not,
                "active": active_progresses(reader, session),
                "histories": [run.run_id for run in active_histories(session)],
                "history_why_not": history_routes.why_not_started(user, session),
                "weekly": {**read["weekly"], "why_not": runs.why_not_started(user, session, REFERENCE_DAG_ID)},
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
    read = readings.day(reader, row)
    return Reply(
        data=Day.model_validate(
            {
                **read,
                "run": runs.last_run(row["dag_id"], row["run_id"], session),
                "may_accept": may_start_backfills(user, DAG_ID),
                "batches": runs.with_logs(read["batches"], session),
            }
        )
    )


@router.get("/securities")
def securities(q: Annotated[str, Query(max_length=40)], reader: Reader) -> Reply[list[SecurityName]]:
    """Up to twenty securities by a code or a part of it, a name of today or a former one, or its pinyin."""
    return Reply(data=[SecurityName.model_validate(one._asdict()) for one in readings.securities(reader, q)])


@router.get("/stock/{code}")
def stock(code: str, reader: Reader) -> Reply[Stock]:
    """A security's coverage over time."""
    found = reader.security(_meant(code, reader))
    if found is None:
        raise _unknown_security(code)
    return Reply(data=Stock.model_validate(found))


@router.get("/stock/{code}/bars")
def bars(code: str, reader: Reader, adjust: Adjust = "none") -> Reply[StockBars]:
    """A security's daily bars, as traded or adjusted."""
    meant = _meant(code, reader)
    rows, note = reader.bars(meant, adjust)
    if not rows and reader.security(meant) is None:
        raise _unknown_security(code)
    return Reply(data=StockBars(code=meant, adjust=adjust, note=note, bars=rows))


def _meant(written: str, reader: StatusReader) -> str:
    code = readings.meant_code(reader, written)
    if code is None:
        raise _unknown_security(written)
    return code


def _unknown_security(code: str) -> NotFound:
    return NotFound(
        f"There is no security {code!r} in the list: write its six digits, or these with the exchange, for example "
        "sh.600000."
    )


@router.get("/messages")
def messages(response: Response) -> Reply[dict[str, str]]:
    """The Chinese template of each code in ``sentences``, with placeholders ``{name}``."""
    response.headers["Cache-Control"] = "private, max-age=3600"
    return Reply(data=chinese_templates())


@router.get("/source")
def source(reader: Reader) -> Reply[Source]:
    """Requests and budget of the day, a ban, the last errors."""
    return Reply(data=Source.model_validate(reader.source()))


@router.get("/datasets")
def datasets(reader: Reader, session: SessionDep) -> Reply[KeptDatasets]:
    """What is kept, dataset by dataset: partitions, rows, size on disk, the last run."""
    return Reply(data=KeptDatasets.model_validate(runs.with_paths(readings.kept_datasets(reader), session)))
