"""What the routes depend on: Airflow's database, the schema `ashare`, and the records made of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import Depends
from sqlalchemy.orm import Session

from ashare.errors import InvalidInput, StoreUnavailable
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare_airflow import connections
from ashare_airflow.page import models, runs


@contextmanager
def reading(session: Session) -> Iterator[StatusReader]:
    """Read the schema ``ashare``, knowing which of Airflow's runs are under way.

    :raises StoreUnavailable: it cannot be read.
    """
    running = runs.running(session)
    # Nothing was written, and Airflow's connection must not be held while another database is slow.
    session.rollback()
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(status_reader(connections.store(), running))
        except InvalidInput as error:
            # A connection that is not set, or wrong, is nothing that the caller can mend.
            raise StoreUnavailable(str(error)) from None
        yield reader


@contextmanager
def writing(session: Session) -> Iterator[Store]:
    """The schema ``ashare``, to change something in it.

    :raises StoreUnavailable: it cannot be reached.
    """
    session.rollback()
    try:
        opened = connections.store()
        opened.migrate()
    except InvalidInput as error:
        raise StoreUnavailable(str(error)) from None
    with opened:
        yield opened


def _reader(session: SessionDep) -> Iterator[StatusReader]:
    with reading(session) as reader:
        yield reader


# Closed before the answer is sent: whatever goes wrong is still told.
Reader = Annotated[StatusReader, Depends(_reader, scope="function")]


def record_of(row: dict[str, Any]) -> models.SyncRecord:
    """A trade date as clients know it."""
    day, status, run_id = row["trade_date"], row["status"], row["run_id"]
    started, finished = row["started_at"], row["finished_at"]
    # A date that was never started, or is started again, has no duration.
    seconds = round((finished - started).total_seconds()) if started and finished and finished >= started else None
    failed = (row["missing"] or 0) + (row["rejected"] or 0)
    names = ("coverage", "kinds", "expected", "loaded", "suspended", "missing", "rejected", "revised", "requests")
    return models.SyncRecord(
        id=day.year * 10000 + day.month * 100 + day.day,
        sync_date=day,
        status=status,
        total_records=row["expected"] or 0,
        success_count=row["loaded"] or 0,
        failed_count=failed if status == "failed" or row["coverage"] == "accepted" else 0,
        start_time=started,
        end_time=finished,
        duration_seconds=seconds,
        error_message=row["reason"] if status == "failed" else None,
        remarks=row["reason"] if status != "failed" else None,
        process_id=run_id,
        created_at=started,
        updated_at=finished or started,
        run_id=run_id,
        dag_id=row["dag_id"],
        **{name: row[name] for name in names},
    )
